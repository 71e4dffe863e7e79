"""Damaged and absurd files for everything that reads untrusted ones."""
