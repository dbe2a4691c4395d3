"""The routes that predict: CSV, MLflow, Open Inference, explanations."""
