"""What `compose.yaml` asks the engine for: read in full, because the panel's container holds the socket."""

import json
import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.compose_stack import ROOT

pytestmark = pytest.mark.docker


def configured(*files: str, **env: str) -> dict[str, Any]:
    """Return what Compose makes of the files, without anything of this shell but its PATH."""
    options = [word for file in files for word in ("-f", file)]
    done = subprocess.run(
        ["docker", "compose", *options, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def test_the_panel_is_confined_when_it_is_created() -> None:
    panel = configured("compose.yaml")["services"]["panel"]
    assert panel["read_only"] is True
    assert panel["cap_drop"] == ["ALL"]
    assert panel["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID"]
    assert panel["security_opt"] == ["no-new-privileges:true", "label=disable"]
    assert panel["mem_limit"] == panel["memswap_limit"] == str(4 * 2**30)
    assert panel["pids_limit"] == 1024
    assert panel["tmpfs"] == ["/tmp:size=256m,mode=1777,noexec,nosuid,nodev"]
    assert panel["logging"] == {"driver": "json-file", "options": {"max-file": "3", "max-size": "10m"}}
    assert panel["init"] is True
    assert panel["restart"] == "unless-stopped"
    assert {port["host_ip"] for port in panel["ports"]} == {"127.0.0.1"}
    assert not {"privileged", "devices", "pid", "ipc", "network_mode", "userns_mode", "uts"} & set(panel)


def test_other_machines_reach_the_panel_when_an_address_is_given() -> None:
    panel = configured("compose.yaml", PUBLISH_ADDRESS="192.0.2.5")["services"]["panel"]
    assert {port["host_ip"] for port in panel["ports"]} == {"192.0.2.5"}
    assert panel["environment"]["PUBLISH_ADDRESS"] == "192.0.2.5"


def test_only_named_folders_are_mounted_when_the_panel_is_created() -> None:
    mounts = configured("compose.yaml")["services"]["panel"]["volumes"]
    assert sorted((mount["type"], mount["source"].removeprefix(str(ROOT)), mount["target"]) for mount in mounts) == [
        ("bind", "/data", "/data"),
        ("bind", "/var/run/docker.sock", "/var/run/docker.sock"),
        ("volume", "access", "/state/access"),
        ("volume", "keys", "/state/keys"),
        ("volume", "mlflow", "/state/mlflow"),
        ("volume", "models", "/models"),
        ("volume", "ports", "/state/ports"),
        ("volume", "state", "/state"),
    ]


def test_no_path_of_the_machine_is_made_when_it_does_not_exist() -> None:
    """Said in so many words: versions of Compose differ in what they do where it is left out."""
    text = re.sub(r"#.*", "", "\n".join(path.read_text("utf-8") for path in ROOT.glob("compose*.yaml")))
    assert len(re.findall(r"create_host_path: false", text)) == len(re.findall(r"type: bind", text)) == 2
    assert re.findall(r"^ *- [.~$/][^:\s]*:/", text, re.MULTILINE) == [], "the short form of a mount"


def test_a_typo_is_refused_and_nothing_is_made_when_the_socket_does_not_exist(tmp_path: Path) -> None:
    missing = tmp_path / "dcoker.sock"
    project = f"amlp-typo-{secrets.token_hex(4)}"
    compose = ["docker", "compose", "-p", project]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/",
        "DOCKER_SOCK": str(missing),
        "ML_PIPELINE_IMAGE": "python:3.13-slim",
    }
    options: dict[str, Any] = {"cwd": ROOT, "env": env, "capture_output": True, "text": True, "timeout": 60}
    try:
        done = subprocess.run([*compose, "create", "--no-build"], check=False, **options)
        assert done.returncode != 0
        assert f"bind source path does not exist: {missing}" in done.stderr
        assert not missing.exists()
    finally:
        subprocess.run([*compose, "down", "-v"], check=True, **options)


@pytest.mark.parametrize(("given", "limit"), [("2g", 2 * 2**30), ("", 4 * 2**30)])
def test_there_is_a_memory_limit_whatever_was_given(given: str, limit: int) -> None:
    panel = configured("compose.yaml", PANEL_MEMORY=given)["services"]["panel"]
    assert panel["mem_limit"] == panel["memswap_limit"] == str(limit)


def test_the_network_of_the_services_has_no_way_out_when_compose_creates_it() -> None:
    config = configured("compose.yaml", COMPOSE_PROFILES="all")
    assert config["networks"]["serving"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_ipv6_loopback_is_taken_as_well_when_that_is_added() -> None:
    ports = configured("compose.yaml", "compose.ipv6.yaml")["services"]["panel"]["ports"]
    assert sorted(port["host_ip"] for port in ports) == ["127.0.0.1", "::1"]
    assert {port["target"] for port in ports} == {8080}


def test_every_secret_is_a_file_when_the_secrets_are_added() -> None:
    config = configured("compose.yaml", "compose.secrets.yaml")
    panel = config["services"]["panel"]
    named = {name: value for name, value in panel["environment"].items() if name.endswith("_FILE")}
    assert named == {
        "PANEL_PASSWORD_FILE": "/run/secrets/panel_password",
        "PANEL_API_TOKEN_FILE": "/run/secrets/panel_api_token",
        "API_KEY_FILE": "/run/secrets/api_key",
    }
    assert {Path(secret["file"]).relative_to(ROOT / "secrets").name for secret in config["secrets"].values()} == {
        Path(value).name for value in named.values()
    }


def test_the_base_is_named_in_the_dockerfile_only_unless_another_is_given() -> None:
    build = configured("compose.yaml")["services"]["panel"]["build"]
    assert "args" not in build
    pinned = "python:3.13-slim@sha256:" + "0" * 64
    build = configured("compose.yaml", BASE=pinned, REVISION="0123")["services"]["panel"]["build"]
    assert build["args"] == {"BASE": pinned, "REVISION": "0123"}


def test_the_certificate_is_a_secret_too_when_its_lines_are_not_comments(tmp_path: Path) -> None:
    text = (ROOT / "compose.secrets.yaml").read_text("utf-8")
    with_tls = tmp_path / "compose.secrets.yaml"
    with_tls.write_text(re.sub(r"^( +)# ", r"\1", text, flags=re.MULTILINE))
    config = configured("compose.yaml", str(with_tls))
    panel = config["services"]["panel"]
    named = {panel["environment"][name] for name in ("PANEL_TLS_CERT", "PANEL_TLS_KEY")}
    assert named <= {f"/run/secrets/{secret['source']}" for secret in panel["secrets"]}
    assert {secret["source"] for secret in panel["secrets"]} == config["secrets"].keys()
