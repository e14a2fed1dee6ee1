"""Entry point of `python -m models`."""

from models.cli import main

if __name__ == "__main__":
    main(prog_name="python -m models")
