"""The keeper of the API's port: what it is granted, and what makes another one of it."""

from dataclasses import replace

import pytest

from app.panel.services.docker.container_config import create_request, fingerprint, owner_labels
from app.panel.services.docker.port_keeper import is_kept, keeper_request, keeper_spec
from app.panel.services.protocol import ServiceSpec
from tests.app.panel.services.docker.test_container_config import HOST, specs

SPEC = specs()["api"]


def test_it_is_granted_its_port_and_its_socket_and_nothing_else() -> None:
    """The whole request: what is not listed here is not granted."""
    request = keeper_request(SPEC, HOST)
    assert request.pop("HostConfig") == {
        "NetworkMode": "automated-ml-pipeline_serving",
        "Dns": ["127.0.0.1"],
        "PortBindings": {"8010/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8010"}]},
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "Memory": 64 * 2**20,
        "MemorySwap": 64 * 2**20,
        "NanoCpus": 1_500_000_000,
        "PidsLimit": 16,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m,mode=1777"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", "label=level:s0:c100,c200"],
        "Privileged": False,
        "Init": True,
        "Mounts": [
            {"Type": "volume", "Source": "automated-ml-pipeline_ports", "Target": "/state/ports", "ReadOnly": False}
        ],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }
    labels = request.pop("Labels")
    assert labels["automated-ml-pipeline.spec"] == keeper_spec(SPEC).digest
    (code,) = request.pop("Env")
    assert code.startswith("CODE=")
    assert request == {
        "Image": HOST.image,
        "Entrypoint": ["/opt/serve/bin/python"],
        "Cmd": ["-IS", "/srv/app/web/port_keeper.py", "8010", "/state/ports/api.sock"],
        "User": "1000:1000",
        "StopTimeout": 10,
        "ExposedPorts": {"8010/tcp": {}},
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkingConfig": {"EndpointsConfig": {"automated-ml-pipeline_serving": {"Aliases": ["ml-api-port"]}}},
    }


def test_it_is_no_container_of_the_service_but_compose_counts_it_as_one() -> None:
    labels = keeper_request(SPEC, HOST)["Labels"]
    assert not owner_labels(HOST, "api").items() <= labels.items()
    assert owner_labels(HOST).items() <= labels.items()
    assert labels["com.docker.compose.service"] == "api"
    assert labels["com.docker.compose.container-number"] == "2"
    assert labels["automated-ml-pipeline.content"] == fingerprint(keeper_request(SPEC, HOST))


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        (replace(SPEC, image="sha256:new"), False),
        (replace(SPEC, env={**SPEC.env, "API_MAX_ROWS": "1"}), False),
        (replace(SPEC, secret_version="2"), False),
        (replace(SPEC, port=8011), True),
        (replace(SPEC, publish_on=("0.0.0.0",)), True),
        (replace(SPEC, user="2000:2000"), True),
    ],
)
def test_it_is_another_one_only_when_it_must_be(changed: ServiceSpec, *, is_another: bool) -> None:
    assert changed.digest != SPEC.digest
    assert (keeper_spec(changed).digest != keeper_spec(SPEC).digest) is is_another


def test_port_is_kept_when_one_keeper_runs_with_its_name_its_port_and_its_network() -> None:
    keeper = {
        "Labels": keeper_request(SPEC, HOST)["Labels"],
        "State": "running",
        "Names": ["/ml-api-port"],
        "Ports": [{"PrivatePort": 8010, "PublicPort": 8010}],
        "NetworkSettings": {"Networks": {HOST.network: {}}},
    }
    service = {"Labels": create_request(SPEC, HOST)["Labels"]}
    assert is_kept([keeper, service], HOST, "api")
    wrongs: tuple[dict[str, object], ...] = (
        {"State": "exited"},
        {"Names": ["/other"]},
        {"Ports": [{"PrivatePort": 8010}]},
        {"NetworkSettings": {"Networks": {}}},
        {"NetworkSettings": {"Networks": None}},
    )
    for wrong in wrongs:
        assert not is_kept([keeper | wrong], HOST, "api")
    assert not is_kept([service], HOST, "api")
    assert not is_kept([keeper, keeper], HOST, "api"), "one is to be removed"
