"""Bokeh (shallow depth of field) networks for phones: build, train, convert, check, render and measure them."""

__version__ = "0.1.0"
