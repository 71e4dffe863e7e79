"""Timing on phones: the real adb and a fake phone."""
