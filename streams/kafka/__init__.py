"""Clients of Kafka: how they connect, what the topics look like, and how records are read and sent."""
