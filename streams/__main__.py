"""`python -m streams COMMAND` is `tagpulse COMMAND`."""

from streams.cli import main

main()
