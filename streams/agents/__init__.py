"""The workers' insides, one file an agent: what is done with a batch of records."""
