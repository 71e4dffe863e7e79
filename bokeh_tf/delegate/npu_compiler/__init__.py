"""The compilers of makers of phones' NPUs, asked where somebody names the libraries of one: nothing
of them is part of this project, and nothing is fetched.
"""
