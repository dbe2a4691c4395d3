"""Name and ports of the product: constants that several processes must agree on."""

from typing import Final

VERSION: Final = "0.1.0"  # that of pyproject.toml; the image has no metadata of the package
NAME: Final = "automated-ml-pipeline"  # of the distribution, the served model, the MLflow experiment and its model
CHAMPION_ALIAS: Final = "champion"  # of the live version in MLflow's registry

PANEL_PORT: Final = 8080
API_PORT: Final = 8000
APP_PORT: Final = 8501
MLFLOW_PORT: Final = 5000
