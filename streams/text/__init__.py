"""Untrusted text, made safe for messages and terminals."""
