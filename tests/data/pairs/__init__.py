"""From folders to batches."""
