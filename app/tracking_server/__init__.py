"""MLflow's server, cut down to tracking, registry, artifacts and the web pages. Runs where MLflow is installed."""
