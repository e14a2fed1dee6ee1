"""How work that failed is tried again."""
