"""Processes that tagpulse starts on this machine."""
