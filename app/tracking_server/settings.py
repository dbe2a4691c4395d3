"""Settings of MLflow's server, all set by the panel."""

from app.web.server_settings import LoginSettings
from pipeline.core.product import MLFLOW_PORT
from pipeline.core.settings import setting


class Settings(LoginSettings):
    """Every setting with its environment name, default and meaning. MLflow's own begin with MLFLOW_."""

    port: int = setting("MLFLOW_PORT", MLFLOW_PORT, "MLflow as browsers see it.", ge=1, le=65535)
