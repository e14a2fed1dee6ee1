"""The tagpulse pipeline: sources, workers, sinks and the command line."""
