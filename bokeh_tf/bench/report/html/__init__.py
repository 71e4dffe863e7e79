"""The page as HTML: plots, their axes and marks, and markup that plain text cannot break."""
