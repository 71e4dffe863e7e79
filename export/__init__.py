"""Which models we ship (`recipes.py`), and `python -m export`, which builds,
converts, checks and writes them.
"""
