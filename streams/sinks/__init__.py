"""Where enriched posts are kept, one file a sink; `base.py` states the contract."""
