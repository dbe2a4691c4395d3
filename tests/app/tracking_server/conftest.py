"""One server for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.builders.mlflow_server import mlflow_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of the server."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address
