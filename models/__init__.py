"""The model: language, sentiment and topics of a post in one pass.

This package does not depend on Kafka. The pipeline uses `models.enricher.Enricher` and the types that it returns.
"""
