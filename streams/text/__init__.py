"""Sanitising of untrusted text for messages and terminals."""
