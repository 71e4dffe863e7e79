"""What goes wrong in half precision, predicted without a GPU."""
