"""What light and heavy processes share: parameters, stage contracts, the bundle, problems. Standard library, pydantic and msgspec only."""
