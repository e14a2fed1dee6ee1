"""What many tests need: brokers, records, processes, and waiting for a condition."""
