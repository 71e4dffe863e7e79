"""From folders in the wild to training batches: layouts, tables, reading, changes, order."""
