"""The record of a run, and its delivery to MLflow."""
