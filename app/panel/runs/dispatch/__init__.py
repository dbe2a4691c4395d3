"""Brings the active run to its final state: one loop in the event loop, recovery at start."""
