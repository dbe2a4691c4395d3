"""Refuses to serve other machines without a secret."""

from collections.abc import Mapping
from ipaddress import ip_address

from pipeline.core.settings_problems import ExposedError


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches what listens on `host`, an address or a name."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(setting: str, host: str, secrets: Mapping[str, bool]) -> None:
    """Raise ExposedError if `host`, the value of `setting`, can be reached from elsewhere and one of `secrets` is not set."""
    missing = [name for name, is_set in secrets.items() if not is_set]
    if missing and not is_loopback(host):
        raise ExposedError(setting, host, missing)
