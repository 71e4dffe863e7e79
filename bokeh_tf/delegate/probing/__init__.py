"""What the probe and the bisection run in child processes, and how: inputs,
references, compilation, jobs.
"""
