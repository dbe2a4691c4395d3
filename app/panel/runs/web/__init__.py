"""Runs over HTTP: pages and JSON."""
