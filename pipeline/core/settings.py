"""Reads the settings of every process: once, from command line, environment and defaults, into one frozen object.

A process derives its class from ProcessSettings and declares each field with `setting(...)`; `read` makes the object or
says which setting is wrong. The names are part of the interface (`docs/settings.md`, which `make docs` writes).
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.core.settings_problems import InvalidSettingError, UnreadableSettingsFileError, UnusableSecretError

S = TypeVar("S", bound="ProcessSettings")


class ProcessSettings(BaseSettings):
    """The base of each process's settings: frozen, by the names of the environment, unknown names refused."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, case_sensitive=True)


class ApiAccess(ProcessSettings):
    """Key of the prediction API, for the API itself and for those who call it."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("API_KEY", "api_key"),
        description="Key that the prediction API requires as a bearer token; if unset, it requires none.",
    )
    api_key_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("API_KEY_FILE", "api_key_file"),
        description="File that holds the key; it overrides `API_KEY`.",
    )

    def bearer(self) -> str:
        """Return the key, "" where there is none. Raises UnusableSecretError."""
        return read_secret("API_KEY", self.api_key, self.api_key_file) or ""


def setting(env: str, default: object, description: str, **limits: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return a field that is called `env` in the environment, in the settings file and in the documentation."""
    return Field(default, validation_alias=AliasChoices(env, env.lower()), description=description, **limits)


def env_name(kind: type[ProcessSettings], field: str) -> str:
    """Return the name of a setting in the environment."""
    alias = kind.model_fields[field].validation_alias
    assert isinstance(alias, AliasChoices)
    return str(alias.choices[0])


def env_names(kind: type[ProcessSettings]) -> list[str]:
    """Return the names of all settings of a process, in the order in which they are declared."""
    return [env_name(kind, field) for field in kind.model_fields]


def read(kind: type[S], options: Mapping[str, Any] | None = None) -> S:
    """Return the settings of this process; `options` (field to value) are those of the command line and win.

    Raises InvalidSettingError, which names each setting that is not valid, and UnreadableSettingsFileError.
    """
    try:
        return kind(**(options or {}))
    except ValidationError as error:
        reasons = [_reason(kind, each) for each in error.errors()]
        raise InvalidSettingError(reasons, on_command_line=bool(options)) from error
    except tomllib.TOMLDecodeError as error:
        raise UnreadableSettingsFileError(str(error)) from error


def read_secret(name: str, value: SecretStr | None, file: Path | None) -> str | None:
    """Return the secret from its file or else its variable, without white space around it; None where neither is set.

    Raises UnusableSecretError for a file that cannot be read and for an empty secret.
    """
    if file is not None:
        try:
            text = file.read_text("utf-8").strip()
        except OSError as error:
            raise UnusableSecretError.unreadable(name, file, error.strerror or "it cannot be opened") from error
        except UnicodeDecodeError as error:
            raise UnusableSecretError.unreadable(name, file, "it is not text") from error
    elif value is not None:
        text = value.get_secret_value().strip()
    else:
        return None
    if not text:
        raise UnusableSecretError.empty(name)
    return text


def _reason(kind: type[ProcessSettings], error: ErrorDetails) -> str:
    field = str(error["loc"][0]) if error["loc"] else "settings"
    name = env_name(kind, field) if field in kind.model_fields else field
    is_secret = any(word in name for word in ("PASSWORD", "TOKEN", "KEY"))
    value = "" if is_secret or error["type"] == "extra_forbidden" else f" ({error['input']!r})"
    return f"{name}{value}: {error['msg']}"
