"""Delivers the records of finished runs to MLflow, in the background and as often as it takes."""
