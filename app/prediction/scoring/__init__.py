"""One model: rows in, answers out. Knows nothing of HTTP."""
