"""Results as a page for people: HTML with plots, Markdown, CSV. It shows what results
say, and measures nothing.

Results are untrusted: what they hold is checked when read and escaped when written.
"""
