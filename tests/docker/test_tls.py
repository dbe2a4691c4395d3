"""With a certificate all four ports of the containers speak https; other machines reach three of them where that is set."""

import secrets
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.web.tls import pinned_context
from bench.compose_stack import PORTS, SERVICES, Stack, docker, stack_of
from tests.builders.certificates import Files, make_certificate

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
KEY = "k3y-of-the-api-5a1c7e90d2b84f36"


def use_certificate(stack: Stack, files: Files) -> None:
    """Put the files where the panel's container sees them; the key is its owner's only."""
    folder = stack.folder / "data" / "tls"
    folder.mkdir(exist_ok=True)
    for file, name in ((files.cert, "box.pem"), (files.key, "box.key")):
        shutil.copy(file, folder / name)
    uid = (stack.folder / "data").stat().st_uid
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, uid, uid)
    (folder / "box.key").chmod(0o600)
    stack.tls = pinned_context(files.cert)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_of(tmp_path_factory.mktemp("clone"), f"amlp-tls-{secrets.token_hex(3)}") as project:
        use_certificate(project, make_certificate(tmp_path_factory.mktemp("first")))
        project.env.update(
            PANEL_TLS_CERT="/data/tls/box.pem",
            PANEL_TLS_KEY="/data/tls/box.key",
            PANEL_PASSWORD="violet-tractor-orbit-19-lantern",
            API_KEY=KEY,
            PUBLISH_ADDRESS="0.0.0.0",
        )
        project.compose("build", "--quiet")
        project.compose("up", "-d")
        project.until(project.is_healthy, within_s=120, what="all services answer")
        yield project


def presented(stack: Stack, port: str, address: str = "127.0.0.1") -> str:
    """Return the certificate that a port presents. Raises OSError where nothing listens or something else than TLS."""
    assert stack.tls is not None
    with (
        socket.create_connection((address, stack.ports[port]), timeout=10) as connection,
        closing(stack.tls.wrap_socket(connection)) as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")


def other_address(stack: Stack) -> str:
    """Return an address of this machine that is not loopback: its own on the network of the panel's container."""
    networks = stack.inspect("panel")["NetworkSettings"]["Networks"]
    return str(next(network["Gateway"] for network in networks.values() if network["Gateway"]))


def test_every_port_presents_the_certificate_when_it_is_set(stack: Stack) -> None:
    cert = (stack.folder / "data" / "tls" / "box.pem").read_text()
    assert {presented(stack, port) for port in PORTS} == {cert}


def test_other_machines_reach_all_but_mlflow_when_an_address_is_set(stack: Stack) -> None:
    for port in ("PANEL_PORT", "API_PORT", "APP_PORT"):
        assert presented(stack, port, other_address(stack))
    with pytest.raises(OSError, match="refused"):
        presented(stack, "MLFLOW_PORT", other_address(stack))


def test_a_model_goes_live_and_is_recorded_in_mlflow_over_https(stack: Stack) -> None:
    run = stack.panel("runs", {})["id"]
    stack.until(lambda: stack.panel(f"runs/{run}")["state"] == "succeeded", within_s=180, what="the run succeeds")
    assert 0 < stack.predict(KEY)["probability"] < 1
    stack.until(lambda: stack.panel(f"runs/{run}")["mlflow_run_id"], within_s=60, what="MLflow has the run")


def test_no_service_is_given_the_files_themselves(stack: Stack) -> None:
    """They read copies, beside the access list; the engine shows paths only."""
    key = (stack.folder / "data" / "tls" / "box.key").read_text()
    for name in SERVICES:
        inspected = stack.inspect(name)
        assert key[28:60] not in str(inspected)
        assert "/data" not in [mount["Destination"] for mount in inspected["Mounts"]]
        user = inspected["Config"]["User"]
        mode = docker("exec", "-u", user, stack.container(name), "stat", "-c", "%a", "/state/access/tls.key")
        assert mode == "600"


def test_services_present_the_new_certificate_when_the_panel_starts_with_it(stack: Stack, tmp_path: Path) -> None:
    use_certificate(stack, make_certificate(tmp_path))
    stack.compose("up", "-d", "--force-recreate", "panel")
    stack.until(stack.is_healthy, within_s=120, what="all services answer")
    cert = (stack.folder / "data" / "tls" / "box.pem").read_text()
    stack.until(
        lambda: {presented(stack, port) for port in PORTS} == {cert},
        within_s=60,
        what="all present the new certificate",
    )
