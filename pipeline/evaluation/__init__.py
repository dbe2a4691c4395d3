"""Metrics, the evaluation report, and the gate between challenger and champion."""
