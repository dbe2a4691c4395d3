"""`/docs` and `/openapi.json`, made from the live model."""
