"""Posts from files and standard input."""
