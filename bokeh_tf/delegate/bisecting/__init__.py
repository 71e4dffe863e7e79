"""Which node is it: a file rewritten and run on the delegate until the wrong node is found."""
