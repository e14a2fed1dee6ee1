"""Source for X, which reads the filtered stream of its API v2."""
