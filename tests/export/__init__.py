"""What we ship, the zoo's table and the demo of a training."""
