"""How near pictures come to their ground truths, by the protocols of papers: one table
beside the published one.
"""
