"""The batch-processing logic of each worker, one module per agent."""
