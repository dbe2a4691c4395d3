"""The registry of a panel beside the panel itself."""

from tests.app.panel.registry.conftest import registry

__all__ = ["registry"]
