"""tagpulse: the pipeline, in the order in which a post travels."""
