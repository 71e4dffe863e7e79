"""Photo to bokeh."""
