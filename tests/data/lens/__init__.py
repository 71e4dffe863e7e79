"""The camera in arithmetic."""
