"""Bluesky, read from the Jetstream."""
