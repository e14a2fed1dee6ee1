"""Helpers that many tests share: brokers, records, processes, and waiting for a condition."""
