"""A loaded ONNX graph and the rows it takes. onnxruntime and numpy only."""
