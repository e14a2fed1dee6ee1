"""Everything that made the weights, one file a step, runnable again: `python -m models.training --help`."""
