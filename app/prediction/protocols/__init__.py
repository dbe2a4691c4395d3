"""The routes that answer rows: CSV, MLflow, Open Inference, explanations."""
