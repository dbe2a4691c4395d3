"""Judging answers: metrics, the evaluation report, the gate between challenger and champion."""
