"""Find, retry and drop the dead letters on `posts.dead`."""
