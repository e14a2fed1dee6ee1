"""X, read from the filtered stream of its API v2."""
