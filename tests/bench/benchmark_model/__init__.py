"""What the programs called benchmark_model print, from transcripts."""
