"""The dead letters on `posts.dead`: finding them, sending them back, dropping them."""
