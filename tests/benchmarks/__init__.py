"""What this project measures about itself."""
