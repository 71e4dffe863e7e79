"""Inspection and alignment of data folders."""
