"""Source for files and standard input."""
