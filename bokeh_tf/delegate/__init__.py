"""Checking a `.tflite` on the real GPU delegate."""
