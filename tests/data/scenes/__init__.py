"""Photographs made ready, and scenes composed of them."""
