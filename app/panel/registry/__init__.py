"""The model registry: publishes versions, deploys them, rolls them back, and keeps the history of deployments."""
