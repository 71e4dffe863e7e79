"""Timing on this machine, results, comparison and report."""
