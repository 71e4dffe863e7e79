"""What a data folder holds: every pair measured, what is wrong with it, and a sheet to look at."""
