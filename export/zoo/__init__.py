"""`python -m export.zoo`: measures every model of the catalogue, and writes the page about them."""
