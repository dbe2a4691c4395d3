"""One model: reads rows, scores them, writes responses. Knows nothing of HTTP."""
