"""What each delegate refuses or gets wrong, against what was measured."""
