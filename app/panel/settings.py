"""The panel's settings: one frozen object, built once in `__main__` and passed down.

Order: command line, environment, `ml-pipeline.toml` in the working folder, defaults. The names are part of the
interface (`docs/settings.md`): scripts of users rely on them.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from app.web.host_guard import HOST
from app.web.server_settings import ServerSettings
from pipeline.core.product import API_PORT, APP_PORT, MLFLOW_PORT, PANEL_PORT
from pipeline.core.settings import setting

MIN_STAGE_MEMORY_BYTES: Final = 512 * 2**20


def _public_url(url: str) -> str:
    """Return the address without a slash at its end. Raises ValueError unless it is a scheme, a host and maybe a port."""
    if not url:
        return ""
    match = re.fullmatch(rf"(https?)://({HOST.pattern})/?", url.lower())
    if match is None:
        raise ValueError("it must be like https://name.example, without a path")
    return f"{match[1]}://{match[2]}"


def _address(text: str) -> str:
    """Return the address in its usual form. Raises ValueError unless it is one; IPv6 may have brackets."""
    return str(ip_address(text.removeprefix("[").removesuffix("]")))


PublicUrl = Annotated[str, AfterValidator(_public_url)]


def host_of(url: str) -> str:
    """Return the host name of a URL in lower case, IPv6 without brackets; "" for none."""
    return (urlsplit(url).hostname or "").lower()


def listed_host(url: str) -> str:
    """Return the host of a URL with its port, also where that is the scheme's own; "" for ""."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.netloc if parts.port else f"{parts.netloc}:{default}") if url else ""


class Settings(ServerSettings):
    """Every setting with its environment name, default and meaning."""

    model_config = SettingsConfigDict(toml_file="ml-pipeline.toml")

    data_dir: Path = setting("ML_PIPELINE_DATA", Path("data"), "Holds raw/ (your tables) and processed/.")
    state_dir: Path = setting("ML_PIPELINE_STATE", Path("data/state"), "Database, run logs, MLflow's store, backups.")
    models_dir: Path = setting("ML_PIPELINE_MODELS", Path("data/models"), "Published model bundles.")
    panel_host: str = setting("PANEL_HOST", "127.0.0.1", "Address that the panel and its services listen on.")
    panel_port: int = setting("PANEL_PORT", PANEL_PORT, "Control panel.", ge=1, le=65535)
    api_port: int = setting("API_PORT", API_PORT, "Prediction API.", ge=1, le=65535)
    app_port: int = setting("APP_PORT", APP_PORT, "Prediction app.", ge=1, le=65535)
    mlflow_port: int = setting("MLFLOW_PORT", MLFLOW_PORT, "MLflow.", ge=1, le=65535)
    password: SecretStr | None = setting(
        "PANEL_PASSWORD", None, "Password to log in with; without one, a link is printed at start."
    )
    password_file: Path | None = setting("PANEL_PASSWORD_FILE", None, "File that holds the password.")
    api_token: SecretStr | None = setting("PANEL_API_TOKEN", None, "Bearer token for scripts.")
    api_token_file: Path | None = setting("PANEL_API_TOKEN_FILE", None, "File that holds the bearer token.")
    allowed_hosts: str = setting(
        "PANEL_ALLOWED_HOSTS", "", "Additional hostnames of the panel, comma separated; NAME:443 behind an HTTPS proxy."
    )
    panel_public_url: PublicUrl = setting(
        "PANEL_PUBLIC_URL", "", "Address of the panel for browsers, behind a proxy: https://panel.example."
    )
    api_public_url: PublicUrl = setting(
        "API_PUBLIC_URL", "", "Address of the prediction API for browsers; its host name must not be the panel's."
    )
    app_public_url: PublicUrl = setting(
        "APP_PUBLIC_URL", "", "Address of the prediction app for browsers; its host name must not be the panel's."
    )
    mlflow_public_url: PublicUrl = setting(
        "MLFLOW_PUBLIC_URL", "", "Address of MLflow for browsers; its host name must not be the panel's."
    )
    proxy_user_header: str = setting(
        "PROXY_USER_HEADER",
        "",
        "Header in which a trusted proxy names who has logged in there, such as `Remote-User`; it must set or remove it.",
        pattern=r"^([A-Za-z][A-Za-z0-9-]*)?$",
    )
    proxy_user_role: Literal["viewer", "operator", "admin"] | None = setting(
        "PROXY_USER_ROLE",
        None,
        "Role of a user whom the proxy names and the panel does not know yet; without one, such users are refused.",
    )
    publish_address: Annotated[str, AfterValidator(_address)] = setting(
        "PUBLISH_ADDRESS",
        "127.0.0.1",
        "Address of the machine on which the ports of the containers are published; MLflow's only on 127.0.0.1.",
    )
    head_timeout_s: float = setting(
        "PANEL_HEAD_TIMEOUT_S",
        10.0,
        "A connection that takes longer to send the head of a request is closed.",
        ge=1,
        le=3600,
    )
    runtime: Literal["auto", "docker", "process"] = setting(
        "ML_PIPELINE_RUNTIME",
        "auto",
        "What runs the services: containers when the panel itself is in one, else processes.",
    )
    cycle_interval_s: int = setting(
        "CYCLE_INTERVAL_S", 600, "Seconds between scheduled runs, until changed on the page.", ge=1
    )
    retry_delay_s: float = setting("RETRY_DELAY_S", 30.0, "Seconds until a failed stage is retried.", ge=0)
    retries: int = setting("RETRIES", 3, "Number of times a failed stage is retried.", ge=0, le=20)
    run_starts_per_minute: int = setting(
        "RUN_STARTS_PER_MINUTE",
        10,
        "Runs that one user or token may start in a minute, reruns included; the schedule is not limited.",
        ge=1,
    )
    stage_timeout_s: float = setting(
        "STAGE_TIMEOUT_S", 600.0, "Time limit of one attempt of a stage, in seconds.", gt=0
    )
    stage_memory_bytes: int = setting(
        "STAGE_MEMORY_BYTES",
        0,
        "Memory that a stage may use, at least 512 MB; 0: three quarters of what the machine or the container has.",
        ge=0,
    )
    max_table_cells: int = setting(
        "MAX_TABLE_CELLS",
        0,
        "Rows times columns of the largest table that is read; 0: as many as fit the memory of a stage.",
        ge=0,
    )
    watch_after_deploy_s: float = setting(
        "WATCH_AFTER_DEPLOY_S",
        60.0,
        "Seconds for which a new live model is monitored and rolled back automatically if it fails or is slow; 0 turns it off.",
        ge=0,
    )
    backup_url: str = setting(
        "BACKUP_URL",
        "",
        "Place off this disk for backups of everything, as fsspec names it: a path, `s3://bucket/folder`, "
        "`sftp://host/folder`; without one, backups are made on request only, in the state folder.",
    )
    backup_interval_h: float = setting(
        "BACKUP_INTERVAL_H", 24.0, "Hours between backups to `BACKUP_URL`; 0: on request only.", ge=0, le=8760
    )
    backup_keep: int = setting("BACKUP_KEEP", 7, "Number of backups that are kept; the oldest are deleted.", ge=1)
    target: str | None = setting("PIPELINE_TARGET", None, "Column to predict, if a run does not set it.")
    seed: int = setting("SEED", 42, "Seed of a run that does not set one.", ge=0, le=2**32 - 1)

    drift_threshold: float = setting(
        "DRIFT_THRESHOLD",
        0.2,
        "Population stability index above which live data count as drifted; a little more is required of few rows.",
        gt=0,
    )
    drift_starts_run: bool = setting(
        "DRIFT_STARTS_RUN",
        False,
        "Start a run when live data have drifted, once for each model and start of the panel; its trigger is `drift`. "
        "Only with `API_KEY`: without one anybody can send the rows that decide.",
    )

    @field_validator("stage_memory_bytes")
    @classmethod
    def _holds_the_libraries(cls, memory_bytes: int) -> int:
        """Refuse a limit below which a stage cannot even begin: its libraries alone take 300 MB."""
        if 0 < memory_bytes < MIN_STAGE_MEMORY_BYTES:
            raise PydanticCustomError(
                "too_little", "Input should be 0 or at least {least}", {"least": MIN_STAGE_MEMORY_BYTES}
            )
        return memory_bytes

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources: command line (given as arguments), environment, settings file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def url_host(self) -> str:
        """Return the host of URLs by which this machine reaches the panel and the services that listen as it does."""
        loopback = {"0.0.0.0": "127.0.0.1", "localhost": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        host = loopback.get(self.panel_host, self.panel_host)
        return f"[{host}]" if ":" in host else host

    @property
    def ports(self) -> dict[Literal["api", "app", "mlflow"], int]:
        """Return the published port of each service."""
        return {"api": self.api_port, "app": self.app_port, "mlflow": self.mlflow_port}

    @property
    def public_urls(self) -> dict[Literal["api", "app", "mlflow"], str]:
        """Return the address of each service for browsers, "" where none is set."""
        return {"api": self.api_public_url, "app": self.app_public_url, "mlflow": self.mlflow_public_url}

    @property
    def panel_hosts(self) -> str:
        """Return the additional names of the panel, comma separated: those allowed, and that of its public address."""
        return ",".join(part for part in (self.allowed_hosts, listed_host(self.panel_public_url)) if part)

    @property
    def panel_url(self) -> str:
        """Return the base URL of the panel on this machine."""
        return f"{self.scheme}://{self.url_host}:{self.panel_port}"

    @property
    def backup_place(self) -> str:
        """Return where backups are kept: a path or URL."""
        return self.backup_url or str((self.state_dir / "backups").absolute())

    @property
    def runs_dir(self) -> Path:
        """Return the folder with one folder per run: log, results of stages, evaluation."""
        return self.state_dir / "runs"

    @property
    def mlflow_dir(self) -> Path:
        """Return the folder of MLflow's store."""
        return self.state_dir / "mlflow"

    @property
    def access_dir(self) -> Path:
        """Return the folder of the access list, which the services read."""
        return self.state_dir / "access"

    @property
    def keys_dir(self) -> Path:
        """Return the folder with the key that API and app are given; MLflow never sees it."""
        return self.state_dir / "keys"

    @property
    def database(self) -> Path:
        """Return the path of the SQLite file."""
        return self.state_dir / "panel.db"
