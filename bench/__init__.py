"""Measurements, never tests: `make bench` runs them side by side and writes `docs/bench.md`."""
