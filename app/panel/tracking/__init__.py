"""Hands the records of finished runs to MLflow, off the path of any run, until they are there."""
