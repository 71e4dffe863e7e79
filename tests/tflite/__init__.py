"""Conversion, inspection and the runtime."""
