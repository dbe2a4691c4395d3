"""Runs: their life, their stages, the processes that do the work."""
