"""Two photographs of one scene made to lie on each other, alone or a folder at a time."""
