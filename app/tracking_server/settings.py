"""Settings of MLflow's server, all set by the panel."""

from pathlib import Path

from app.web.server_settings import ServerSettings
from pipeline.core.product import MLFLOW_PORT, PANEL_PORT
from pipeline.core.settings import setting


class Settings(ServerSettings):
    """Every setting with its environment name, default and meaning. MLflow's own begin with MLFLOW_."""

    access_dir: Path = setting(
        "ML_PIPELINE_ACCESS",
        Path("data/state/access"),
        "Folder with the list of who may use the services; the panel sets it.",
    )
    panel_url: str = setting(
        "PANEL_URL", f"http://127.0.0.1:{PANEL_PORT}", "Address of the panel, for its login; the panel sets it."
    )
    panel_names: str = setting(
        "PANEL_NAMES", "", "Names by which other machines reach the panel, comma separated; the panel sets it."
    )
    port: int = setting("MLFLOW_PORT", MLFLOW_PORT, "MLflow as browsers see it.", ge=1, le=65535)
