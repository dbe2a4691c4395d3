"""What the panel reads from an inspection of its own container."""

from typing import Any

import pytest

from app.panel.services.docker.host_container import published_addresses

BRIDGE = {"NetworkMode": "automated-ml-pipeline_default"}


def bound(*addresses: str) -> dict[str, Any]:
    return {"PortBindings": {"8080/tcp": [{"HostIp": address, "HostPort": "8080"} for address in addresses]}}


@pytest.mark.parametrize(
    ("config", "addresses"),
    [
        ({**BRIDGE, **bound("127.0.0.1")}, ("127.0.0.1",)),
        ({**BRIDGE, **bound("")}, ("0.0.0.0",)),
        ({**BRIDGE, **bound("127.0.0.1", "192.0.2.5")}, ("127.0.0.1", "192.0.2.5")),
        ({**BRIDGE, "PortBindings": {"8080/tcp": None}}, ()),
        ({**BRIDGE, "PortBindings": None}, ()),
        ({**BRIDGE, "PublishAllPorts": True}, ("0.0.0.0",)),
        ({"NetworkMode": "host", "PortBindings": {}}, ("0.0.0.0",)),
        ({"NetworkMode": "container:abc", "PortBindings": {}}, None),
    ],
)
def test_addresses_are_those_of_the_machine_when_ports_are_published(
    config: dict[str, Any], addresses: tuple[str, ...] | None
) -> None:
    assert published_addresses({"HostConfig": config}) == addresses
