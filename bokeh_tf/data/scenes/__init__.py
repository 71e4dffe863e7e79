"""Photographs made ready, and scenes composed of them that the lens renders into pairs."""
