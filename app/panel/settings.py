"""The panel's settings: one frozen object, built once in `__main__` and passed down.

Order: command line, environment, `ml-pipeline.toml` in the working folder, defaults. The names are part of the
interface (`docs/settings.md`): scripts of users rely on them.
"""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from pipeline.core.product import API_PORT, APP_PORT, MLFLOW_PORT, PANEL_PORT


def _env(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


def env_name(field: str) -> str:
    """The name of a setting in the environment, by which it is documented as well."""
    alias = Settings.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


class Settings(BaseSettings):
    """Every setting with its environment name, default and meaning."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, toml_file="ml-pipeline.toml", case_sensitive=True
    )

    data_dir: Path = Field(
        Path("data"), validation_alias=_env("ML_PIPELINE_DATA"), description="Holds raw/ (your tables) and processed/."
    )
    state_dir: Path = Field(
        Path("data/state"),
        validation_alias=_env("ML_PIPELINE_STATE"),
        description="Database, run logs, MLflow's store, backups.",
    )
    models_dir: Path = Field(
        Path("data/models"), validation_alias=_env("ML_PIPELINE_MODELS"), description="Published model bundles."
    )
    panel_host: str = Field(
        "127.0.0.1",
        validation_alias=_env("PANEL_HOST"),
        description="Address that the panel and its siblings listen on.",
    )
    panel_port: int = Field(
        PANEL_PORT, ge=1, le=65535, validation_alias=_env("PANEL_PORT"), description="Control panel."
    )
    api_port: int = Field(API_PORT, ge=1, le=65535, validation_alias=_env("API_PORT"), description="Prediction API.")
    app_port: int = Field(APP_PORT, ge=1, le=65535, validation_alias=_env("APP_PORT"), description="Prediction app.")
    mlflow_port: int = Field(MLFLOW_PORT, ge=1, le=65535, validation_alias=_env("MLFLOW_PORT"), description="MLflow.")
    password: SecretStr | None = Field(
        None,
        validation_alias=_env("PANEL_PASSWORD"),
        description="Password to log in with; without one, a link is printed at start.",
    )
    password_file: Path | None = Field(
        None, validation_alias=_env("PANEL_PASSWORD_FILE"), description="File that holds the password."
    )
    api_token: SecretStr | None = Field(
        None, validation_alias=_env("PANEL_API_TOKEN"), description="Bearer token for scripts."
    )
    api_token_file: Path | None = Field(
        None, validation_alias=_env("PANEL_API_TOKEN_FILE"), description="File that holds the bearer token."
    )
    allowed_hosts: str = Field(
        "",
        validation_alias=_env("PANEL_ALLOWED_HOSTS"),
        description="More names to open the panel by, comma separated; NAME:443 where a proxy for https stands in front.",
    )
    head_timeout_s: float = Field(
        10.0,
        ge=1,
        le=3600,
        validation_alias=_env("PANEL_HEAD_TIMEOUT_S"),
        description="A connection that takes longer to send the head of a request is closed.",
    )
    runtime: Literal["auto", "docker", "process"] = Field(
        "auto",
        validation_alias=_env("ML_PIPELINE_RUNTIME"),
        description="What runs the siblings: containers when the panel itself is in one, else processes.",
    )
    cycle_interval_s: int = Field(
        600,
        ge=1,
        validation_alias=_env("CYCLE_INTERVAL_S"),
        description="Seconds between scheduled runs, until changed on the page.",
    )
    retry_delay_s: float = Field(
        30.0, ge=0, validation_alias=_env("RETRY_DELAY_S"), description="Seconds until a failed stage is tried again."
    )
    retries: int = Field(
        3, ge=0, le=20, validation_alias=_env("RETRIES"), description="How often a failed stage is tried again."
    )
    stage_timeout_s: float = Field(
        600.0, gt=0, validation_alias=_env("STAGE_TIMEOUT_S"), description="Deadline of one attempt of a stage."
    )
    watch_after_deploy_s: float = Field(
        60.0,
        ge=0,
        validation_alias=_env("WATCH_AFTER_DEPLOY_S"),
        description="How long a model that went live is watched, to go back by itself if errors appear; 0 is off.",
    )
    target: str | None = Field(
        None, validation_alias=_env("PIPELINE_TARGET"), description="Column to predict, when a run does not say it."
    )
    seed: int = Field(
        42, ge=0, le=2**32 - 1, validation_alias=_env("SEED"), description="Seed of a run that does not say one."
    )

    drift_threshold: float = Field(
        0.2,
        gt=0,
        validation_alias=_env("DRIFT_THRESHOLD"),
        description="Population stability index above which live data count as drifted; few rows take a little more.",
    )
    drift_starts_run: bool = Field(
        False,
        validation_alias=_env("DRIFT_STARTS_RUN"),
        description="Start a run when live data have drifted, once for each model and start of the panel.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line (given as arguments), environment, settings file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def runs_dir(self) -> Path:
        """One folder a run: log, results of stages, evaluation."""
        return self.state_dir / "runs"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "panel.db"
