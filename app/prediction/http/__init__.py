"""What every request meets: the fast path of POST /predict, checks, metrics, errors, operations."""
