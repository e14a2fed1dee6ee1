"""The Parquet lake: its file layout, the sink that writes it, and the queries that read it."""
