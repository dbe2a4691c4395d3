"""The control panel. Never imports numpy, pandas, scikit-learn, MLflow or onnxruntime, not even indirectly."""
