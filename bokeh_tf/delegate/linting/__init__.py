"""What is said of a file without running it: refused nodes, partitions, coverage, memory."""
