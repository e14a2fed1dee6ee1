"""Source for Bluesky, which reads the Jetstream."""
