"""Spikes of a hashtag: found in its minutes, and explained."""
