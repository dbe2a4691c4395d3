"""Typed columns to a processed dataset: target, split, selection, fitted preparation and its ONNX graph."""
