"""The sinks that store enriched posts; `base.py` defines their contract."""
