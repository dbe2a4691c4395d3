"""Drift: compares the rows that the live model is asked about with those it was trained on."""
