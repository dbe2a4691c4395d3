"""The code that light and heavy processes share: parameters, stage contracts, the bundle, problems.

Imports only the standard library, pydantic and msgspec.
"""
