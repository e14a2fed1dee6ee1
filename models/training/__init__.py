"""The training of the shipped weights, reproducible with `python -m models train --help`."""
