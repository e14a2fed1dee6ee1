"""Kafka clients: connecting, managing topics, and reading and sending records."""
