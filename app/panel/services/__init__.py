"""The panel's siblings: MLflow, the prediction API, the prediction app. Kept running, watched, restarted."""
