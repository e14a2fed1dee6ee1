"""The Parquet lake: its files and folders, the sink that writes them, and the queries that read them."""
