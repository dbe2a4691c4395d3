"""The request that creates a container: read in full here, because the socket would grant anything."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.panel.services.docker.checks import engine_checks
from app.panel.services.docker.container_config import create_request, fingerprint, is_modified
from app.panel.services.docker.engine import Engine
from app.panel.services.docker.host_container import HostContainer, own_container_id
from app.panel.services.docker.port_keeper import keeper_request
from app.panel.services.docker.problems import VolumeNotMountedError
from app.panel.services.docker.runtime import DockerRuntime
from app.panel.services.handed_over import HandedOver
from app.panel.services.protocol import SERVICES, ServiceName, ServiceSpec
from app.panel.services.specs import build
from app.panel.settings import Settings

HOST = HostContainer(
    image="sha256:" + "a" * 64,
    project="automated-ml-pipeline",
    sources={
        "models": "automated-ml-pipeline_models",
        "mlflow": "automated-ml-pipeline_mlflow",
        "keys": "automated-ml-pipeline_keys",
        "access": "automated-ml-pipeline_access",
        "ports": "automated-ml-pipeline_ports",
    },
    user="1000:1000",
    compose_labels={"com.docker.compose.project": "automated-ml-pipeline"},
    cpus=1.5,
)


def specs(host: HostContainer = HOST) -> dict[ServiceName, ServiceSpec]:
    settings = Settings(api_port=8010)
    placement = DockerRuntime(settings, Engine(), host=host).placement
    return dict(build(settings, placement, {"PANEL_PASSWORD": "secret", "X": "y"}))


GIB = 2**30
# What differs between the services: memory in bytes, CPUs in billionths, processes, port, seconds of a start.
LIMITS: dict[ServiceName, tuple[int, int, int, str, int]] = {
    "api": (GIB, 1_500_000_000, 256, "8010", 30),
    "app": (GIB // 2, 1_000_000_000, 128, "8501", 30),
    "mlflow": (GIB * 3 // 2, 1_000_000_000, 256, "5000", 90),
}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined_in_every_respect_when_it_is_made(name: ServiceName) -> None:
    """The whole request: what is not listed here is not granted."""
    memory_bytes, nano_cpus, pids, port, start_s = LIMITS[name]
    spec = specs()[name]
    request = create_request(spec, HOST)
    mounts = request["HostConfig"].pop("Mounts")
    assert {mount["Type"] for mount in mounts} <= {"volume"}, "the next test says which"
    assert request.pop("HostConfig") == {
        "NetworkMode": "automated-ml-pipeline_serving",
        "Dns": ["127.0.0.1"],
        # The port of the API is its keeper's.
        "PortBindings": {} if name == "api" else {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]},
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "NanoCpus": nano_cpus,
        "PidsLimit": pids,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m,mode=1777"},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", *(["label=level:s0:c100,c200"] if name == "api" else [])],
        "Privileged": False,
        "Init": True,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }
    labels = request.pop("Labels")
    assert labels["automated-ml-pipeline.spec"] == spec.digest
    assert request == {
        "Image": HOST.image,
        "Entrypoint": [spec.argv[0]],
        "Cmd": list(spec.argv[1:]),
        "Env": [f"{key}={value}" for key, value in sorted(spec.env.items())],
        "User": "1000:1000",
        "StopTimeout": 10,
        "ExposedPorts": {f"{port}/tcp": {}},
        "Healthcheck": {
            "Test": ["CMD", "bash", "/srv/container/health.sh", port, spec.ready_path],
            "Interval": 10 * 10**9,
            "Timeout": 5 * 10**9,
            "StartPeriod": start_s * 10**9,
            "Retries": 3,
        },
        "NetworkingConfig": {
            "EndpointsConfig": {"automated-ml-pipeline_serving": {"Aliases": [] if name == "api" else [f"ml-{name}"]}}
        },
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_canary_is_granted_nothing_more_than_the_service(name: ServiceName) -> None:
    spec = specs()[name]
    live, canary = create_request(spec, HOST), create_request(spec, HOST, role="canary", publish=False)
    # It is not to serve: nothing leads to the keeper of the port.
    mounts = [mount for mount in live["HostConfig"]["Mounts"] if mount["Target"] != "/state/ports"]
    assert canary["HostConfig"] == live["HostConfig"] | {
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "Mounts": mounts,
    }
    assert not any(each.startswith("ML_PIPELINE_PORT_KEEPER") for each in canary["Env"])
    assert {key for key in live if live[key] != canary[key]} - {"Env", "NetworkingConfig"} == {
        "HostConfig",
        "Healthcheck",
        "Labels",
    }
    assert canary["NetworkingConfig"] == {"EndpointsConfig": {HOST.network: {"Aliases": []}}}


def test_only_the_api_sees_the_models_and_cannot_write_them() -> None:
    mounts = {name: create_request(spec, HOST)["HostConfig"]["Mounts"] for name, spec in specs().items()}
    models = {"Type": "volume", "Source": "automated-ml-pipeline_models", "Target": "/models", "ReadOnly": True}
    store = {"Type": "volume", "Source": "automated-ml-pipeline_mlflow", "Target": "/state/mlflow", "ReadOnly": False}
    access = {"Type": "volume", "Source": "automated-ml-pipeline_access", "Target": "/state/access", "ReadOnly": True}
    ports = {"Type": "volume", "Source": "automated-ml-pipeline_ports", "Target": "/state/ports", "ReadOnly": True}
    assert mounts == {"api": [models, access, ports], "mlflow": [store, access], "app": [access]}


def test_ports_are_published_on_ipv6_loopback_too_when_the_panel_is() -> None:
    placement = DockerRuntime(Settings(), Engine(), host=replace(HOST, loopback=("127.0.0.1", "::1"))).placement
    both = build(Settings(), placement, {})
    for request, port in ((keeper_request(both["api"], HOST), "8000"), (create_request(both["app"], HOST), "8501")):
        bindings = request["HostConfig"]["PortBindings"][f"{port}/tcp"]
        assert [each["HostIp"] for each in bindings] == ["127.0.0.1", "::1"]
    only_ipv4 = DockerRuntime(Settings(), Engine(), host=HOST).placement
    assert both["api"].digest != build(Settings(), only_ipv4, {})["api"].digest


@pytest.mark.parametrize(
    ("address", "published"),
    [
        ("127.0.0.1", ["127.0.0.1", "::1"]),
        ("::1", ["::1", "127.0.0.1"]),
        ("0.0.0.0", ["0.0.0.0", "::1"]),
        ("[::]", ["::", "127.0.0.1"]),
        ("192.0.2.5", ["192.0.2.5", "127.0.0.1", "::1"]),
    ],
)
def test_api_and_app_are_published_where_it_is_said_and_mlflow_on_loopback(address: str, published: list[str]) -> None:
    settings = Settings(publish_address=address)
    host = replace(HOST, loopback=("127.0.0.1", "::1"))
    specs = build(settings, DockerRuntime(settings, Engine(), host=host).placement, {})
    requests = keeper_request(specs["api"], host), create_request(specs["app"], host)
    for spec, request, port in zip((specs["api"], specs["app"]), requests, ("8000/tcp", "8501/tcp"), strict=True):
        bindings = request["HostConfig"]["PortBindings"][port]
        assert [each["HostIp"] for each in bindings] == published
        # They ask for a key themselves as soon as other machines reach them.
        assert ("ML_PIPELINE_PUBLISHED_LOCALLY" in spec.env) == (address in {"127.0.0.1", "::1"})
    bindings = create_request(specs["mlflow"], host)["HostConfig"]["PortBindings"]["5000/tcp"]
    assert [each["HostIp"] for each in bindings] == ["127.0.0.1", "::1"]


def test_services_read_the_copy_of_the_certificate_that_is_beside_the_access_list_when_there_is_one(
    tmp_path: Path,
) -> None:
    settings = Settings(tls_cert=tmp_path / "box.pem", tls_key=tmp_path / "box.key")
    runtime = DockerRuntime(settings, Engine(), host=HOST)
    specs = build(settings, runtime.placement, {}, HandedOver(certificate="1"))
    for spec in specs.values():
        assert spec.env["PANEL_TLS_CERT"] == "/state/access/tls.crt"
        assert spec.env["PANEL_TLS_KEY"] == "/state/access/tls.key"
        assert spec.env["PANEL_URL"] == "https://127.0.0.1:8080"
        assert "/state/access" in [mount.path for mount in spec.mounts]
    assert specs["app"].env["API_URL"] == "https://ml-api-port:8000"
    assert runtime.internal_url(specs["api"]) == "https://ml-api-port:8000"
    assert runtime.public_url(specs["api"]) == "https://127.0.0.1:8000"


def test_the_key_is_in_a_volume_that_only_api_and_app_see_when_there_is_one() -> None:
    settings = Settings(api_port=8010)
    placement = DockerRuntime(settings, Engine(), host=HOST).placement
    keyed = build(settings, placement, {"API_KEY": "the-key-itself"}, HandedOver(api_key="version-1"))
    requests = {name: create_request(spec, HOST) for name, spec in keyed.items()}
    keys = {"Type": "volume", "Source": "automated-ml-pipeline_keys", "Target": "/state/keys", "ReadOnly": True}
    assert [name for name in SERVICES if keys in requests[name]["HostConfig"]["Mounts"]] == ["api", "app"]
    assert "the-key-itself" not in str(requests)


@pytest.mark.parametrize(
    ("host", "changed"),
    [
        (replace(HOST, sources={**HOST.sources, "models": "/srv/models"}), {"api"}),
        (replace(HOST, sources={**HOST.sources, "mlflow": "/srv/mlflow"}), {"mlflow"}),
        (replace(HOST, sources={**HOST.sources, "ports": "/srv/ports"}), {"api"}),
        (replace(HOST, user="2000:2000"), {"api", "app", "mlflow"}),
    ],
)
def test_only_what_it_concerns_is_another_service_when_the_panel_got_other_volumes_or_another_user(
    host: HostContainer, changed: set[ServiceName]
) -> None:
    before, after = specs(), specs(host)
    assert {name for name in SERVICES if before[name].digest != after[name].digest} == changed


def test_no_secret_of_the_panel_is_in_what_anybody_may_inspect() -> None:
    assert "secret" not in str([create_request(spec, HOST) for spec in specs().values()])


def test_the_serving_services_run_where_nothing_can_train() -> None:
    programs = {name: create_request(spec, HOST)["Entrypoint"] for name, spec in specs().items()}
    assert programs["api"] == programs["app"] == ["/opt/serve/bin/python"]
    assert programs["mlflow"] == ["/opt/panel/bin/python"]


def test_it_is_found_where_the_settings_say_when_a_port_was_changed() -> None:
    spec = specs()["api"]
    runtime = DockerRuntime(Settings(api_port=8010), Engine(), host=HOST)
    assert runtime.public_url(spec) == "http://127.0.0.1:8010"
    assert runtime.internal_url(spec) == f"http://ml-api-port:{spec.listen_port}"


def test_names_and_networks_are_apart_when_the_project_has_another_name() -> None:
    other = HostContainer("", "demo", {}, "0:0", {}, 1.0)
    assert (other.service_container("api"), other.network) == ("demo-ml-api", "demo_serving")


def inspected(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request as the engine would show it."""
    config = {key: request[key] for key in ("Entrypoint", "Cmd", "User", "Labels")}
    return {
        "Image": request["Image"],
        "Config": config,
        "HostConfig": request["HostConfig"] | {"Binds": None},
        "NetworkSettings": {"Networks": dict(request["NetworkingConfig"]["EndpointsConfig"])},
    }


def test_it_is_not_edited_when_the_engine_shows_what_it_was_asked() -> None:
    request = create_request(specs()["api"], HOST)
    assert not is_modified(inspected(request))


@pytest.mark.parametrize(
    "edit",
    [
        {"Privileged": True},
        {"Memory": 0},
        {"Binds": ["/:/host"]},
        {"CapDrop": None},
        {"PortBindings": {"8501/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8501"}]}},
        {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
        {"CapAdd": ["SYS_ADMIN"]},
        {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
        {"PidMode": "host"},
        {"Dns": None},
        {"Tmpfs": {"/tmp": "rw,exec"}},
    ],
)
def test_it_is_edited_when_one_thing_differs(edit: dict[str, Any]) -> None:
    seen = inspected(create_request(specs()["app"], HOST))
    seen["HostConfig"] |= edit
    assert is_modified(seen)
    assert fingerprint(seen) != seen["Config"]["Labels"]["automated-ml-pipeline.content"]


def test_the_panel_finds_its_own_container_when_the_engine_mounted_its_files(tmp_path: Path) -> None:
    own = "38b62426ef274f74feee58d9c1581b4860122dc60280363d10280cbbda78e4a7"
    table = tmp_path / "mountinfo"
    table.write_text(
        "36 35 98:0 / / rw - overlay overlay rw\n"
        f"40 36 8:1 /var/lib/docker/containers/{own}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
    )
    assert own_container_id(table) == own
    table.write_text("36 35 98:0 / / rw - ext4 /dev/sda1 rw\n")
    assert own_container_id(table) == ""
    assert own_container_id(tmp_path / "none") == ""


def test_services_share_what_the_panel_has_when_it_inspects_itself() -> None:
    seen = {
        "Id": "1" * 64,
        "Image": "sha256:" + "b" * 64,
        "Config": {"Labels": {"com.docker.compose.project": "demo", "com.docker.compose.service": "panel"}},
        "Mounts": [
            {"Type": "volume", "Name": "demo_models", "Source": "/var/lib/x", "Destination": "/models"},
            {"Type": "bind", "Source": "/srv/mlflow", "Destination": "/state/mlflow"},
            {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock"},
        ],
    }
    host = HostContainer.from_inspect(seen, cpus=4.0)
    assert host.sources == {"models": "demo_models", "mlflow": "/srv/mlflow"}
    assert (host.project, host.compose_labels) == ("demo", {"com.docker.compose.project": "demo"})


def test_the_missing_volume_is_named_when_the_panel_has_none() -> None:
    problem = VolumeNotMountedError("models", "/models")
    assert (problem.id, "/models" in problem.what) == ("DOCK-12", True)


def test_it_is_only_a_warning_when_docker_has_little_memory() -> None:
    class Small(Engine):
        version = "27.0"

        def info(self) -> dict[str, Any]:
            return {"MemTotal": 2**30}

    checks = engine_checks(Small(), lambda: HOST, {})
    assert [(check.id, check.state) for check in checks] == [("docker", "ok"), ("DOCK-13", "warning")]


def test_it_is_a_warning_when_the_engine_is_podman() -> None:
    class Podman(Engine):
        version = "4.3.1"
        is_podman = True

        def info(self) -> dict[str, Any]:
            return {"MemTotal": 2**33}

    checks = engine_checks(Podman(), lambda: HOST, {})
    assert [(check.id, check.state) for check in checks if check.state != "ok"] == [("DOCK-15", "warning")]
