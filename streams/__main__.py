"""Lets `python -m streams COMMAND` run `tagpulse COMMAND`."""

from streams.cli import main

main()
