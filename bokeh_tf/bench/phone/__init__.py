"""Timing on phones over adb: a private folder on each, a program in it, and a
result that says what ran.
"""
