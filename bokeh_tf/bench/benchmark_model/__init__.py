"""The programs called benchmark_model: their flags, what they print, and
what a run of them was worth.
"""
