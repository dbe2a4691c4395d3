"""Services as containers; the only package that imports docker."""
