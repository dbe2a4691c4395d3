"""The log of a run: an append-only file of numbered lines, read and followed by the same query."""
