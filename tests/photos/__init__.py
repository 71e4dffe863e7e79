"""Photo files with all their metadata."""
