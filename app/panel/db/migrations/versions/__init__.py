"""One file a schema change, `NNNN_what.py`, with `revision = "NNNN"`."""
