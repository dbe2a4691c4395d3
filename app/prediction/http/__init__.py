"""The HTTP layer of every request: the fast path of POST /predict, checks, metrics, errors, operations."""
