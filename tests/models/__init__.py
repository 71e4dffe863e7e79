"""Every network of the catalogue: its contract, its numbers, its paper."""
