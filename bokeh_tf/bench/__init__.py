"""Measuring how long models take: samples, statistics, conditions, results."""
