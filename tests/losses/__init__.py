"""Losses against independent implementations."""
