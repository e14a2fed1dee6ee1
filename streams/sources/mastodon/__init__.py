"""Source for Mastodon, which reads the hashtag streams of its instances."""
