"""A fitted estimator to a bundle: its ONNX graph, the parity check, the manifest."""
