"""Mastodon, read from the hashtag streams of its instances."""
