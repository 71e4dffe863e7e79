"""What the real delegate says of a file."""
