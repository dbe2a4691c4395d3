"""Settings of the prediction API. Every limit names the failure it bounds."""

from pathlib import Path
from typing import ClassVar, Final

from app.web.handover import REPLACES
from app.web.server_settings import ServerSettings
from pipeline.core.product import API_PORT
from pipeline.core.settings import ApiAccess, setting

MB: Final = 2**20


class ApiSettings(ApiAccess, ServerSettings):
    """Every setting of the API with its environment name, default and meaning."""

    models_dir: Path = setting("ML_PIPELINE_MODELS", Path("data/models"), "Published model bundles.")
    host: str = setting("API_HOST", "127.0.0.1", "Address that the API listens on; the panel sets it.")
    port: int = setting("API_PORT", API_PORT, "Prediction API.", ge=1, le=65535)
    allowed_hosts: str = setting(
        "API_ALLOWED_HOSTS",
        "",
        "Public hostnames by which an API without a key may be called, comma separated; those of the panel by default.",
    )
    access_dir: Path | None = setting(
        "ML_PIPELINE_ACCESS", None, "Folder with the list of tokens that the API also takes; the panel sets it."
    )
    panel_url: str = setting("PANEL_URL", "", "Address of the panel, for links; the panel sets it.")
    is_published_locally: bool = setting(
        "ML_PIPELINE_PUBLISHED_LOCALLY",
        False,
        "In a container: its port is published on a loopback address only, so no key is needed; the panel sets it.",
    )
    port_keeper: Path | None = setting(
        "ML_PIPELINE_PORT_KEEPER",
        None,
        "In a container: socket of the keeper of the port that is published; the panel sets it.",
    )
    replaces: bool = setting(
        REPLACES,
        False,
        "An instance of it serves on its port, and ends once this one does; the panel sets it.",
    )
    max_body_bytes: int = setting(
        "API_MAX_BODY_BYTES",
        64 * MB,
        "Maximum size of a request body; bounds the memory of a request.",
        ge=1024,
        le=2**31,
    )
    max_rows: int = setting(
        "API_MAX_ROWS", 200_000, "Maximum rows per request; bounds how long it occupies the CPUs.", ge=1, le=10_000_000
    )
    rows_per_minute: int = setting(
        "API_ROWS_PER_MINUTE",
        0,
        "Rows that each caller may have predicted in a minute: each key, or each address without one; 0 sets no quota.",
        ge=0,
    )
    required_feature_share: float = setting(
        "API_REQUIRED_FEATURE_SHARE",
        0.0,
        "Share of the model's features that a table must have as columns; one without any is always refused.",
        ge=0,
        le=1,
    )
    body_timeout_s: float = setting(
        "API_BODY_TIMEOUT_S", 60.0, "A request whose body takes longer to arrive is refused.", ge=1, le=3600
    )
    head_timeout_s: float = setting(
        "API_HEAD_TIMEOUT_S",
        10.0,
        "A connection that takes longer to send the head of a request is closed.",
        ge=1,
        le=3600,
    )
    # Not for users to set.
    first_load_s: ClassVar[float] = 15.0  # how long a start waits for the model while another one serves
    poll_s: ClassVar[float] = 0.2  # how late a new model is noticed
    verify_timeout_s: ClassVar[float] = 20.0  # bounds a bundle that hangs its verification
    verify_memory_bytes: ClassVar[int] = 4096 * MB  # bounds one that eats memory
