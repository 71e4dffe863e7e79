"""What is said of a file without running it."""
