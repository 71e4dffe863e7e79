"""TFLite's classic GPU engine, its OpenGL half, run in a Python of its own that has mediapipe."""
