"""The cycle: when the next scheduled run is due, and who paused it."""
