"""Running a file and comparing what it computes: CPU and GPU, inputs and agreement."""
