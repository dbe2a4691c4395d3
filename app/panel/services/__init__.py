"""The services that the panel runs: MLflow, the prediction API, the prediction app. Supervised and restarted."""
