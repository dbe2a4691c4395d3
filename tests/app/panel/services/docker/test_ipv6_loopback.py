"""Whether ports can be published on ::1 is tried with a container that may do nothing."""

from typing import Any

import pytest

from app.panel.services.docker.engine import Engine, Inspected
from app.panel.services.docker.engine_errors import ErrorContext
from app.panel.services.docker.engine_problems import EngineRefusedError
from app.panel.services.docker.host_container import HostContainer
from app.panel.services.docker.ipv6_loopback import PROBE, can_publish_on_ipv6, probe_request
from pipeline.core.problems import ProblemError

HOST = HostContainer("sha256:a", "demo", {}, "1000:1000", {}, 1.0)


class Recording(Engine):
    """An engine that starts containers, or refuses to with these words."""

    def __init__(self, refusal: str = "", leftover: Inspected | None = None) -> None:
        self.refusal = refusal
        self.leftover = leftover
        self.calls: list[str] = []

    def container(self, id_or_name: str) -> Inspected | None:  # noqa: ARG002
        return self.leftover

    def create(self, name: str, body: Any, context: ErrorContext) -> str:  # noqa: ARG002
        self.calls.append(f"create {name}")
        return "the-probe"

    def start(self, id: str, context: ErrorContext) -> None:  # noqa: ARG002
        self.calls.append(f"start {id}")
        if self.refusal:
            raise EngineRefusedError(500, self.refusal)

    def remove(self, id: str) -> None:
        self.calls.append(f"remove {id}")


@pytest.mark.parametrize(
    ("refusal", "can"),
    [
        ("", True),
        (
            "driver failed programming external connectivity: listen tcp6 [::1]:0: bind: cannot assign requested address",
            False,
        ),
        ("listen tcp6 [::1]:0: socket: address family not supported by protocol", False),
    ],
)
def test_it_is_known_when_it_was_tried_and_nothing_is_left(refusal: str, can: bool) -> None:
    engine = Recording(refusal)
    assert can_publish_on_ipv6(engine, HOST) is can
    assert engine.calls == ["create demo-ipv6-probe", "start the-probe", "remove the-probe"]


def test_it_is_not_known_when_the_engine_has_another_reason() -> None:
    engine = Recording("something else entirely")
    with pytest.raises(ProblemError):
        can_publish_on_ipv6(engine, HOST)
    assert engine.calls[-1] == "remove the-probe"


def test_only_our_own_leftover_is_removed_when_the_name_is_taken() -> None:
    ours = Recording(leftover={"Id": "old", "Config": {"Labels": {PROBE: "demo"}}})
    assert can_publish_on_ipv6(ours, HOST)
    assert ours.calls[0] == "remove old"
    theirs = Recording(leftover={"Id": "old", "Config": {"Labels": None}})
    with pytest.raises(ProblemError) as caught:
        can_publish_on_ipv6(theirs, HOST)
    assert (caught.value.id, theirs.calls) == ("NAME-01", [])


def test_probe_may_do_nothing_when_it_is_made() -> None:
    request = probe_request(HOST)
    assert (request["Image"], request["User"], request["Entrypoint"]) == ("sha256:a", "1000:1000", ["true"])
    host = request["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert set(host) & {"Binds", "Mounts", "CapAdd", "Devices", "PidMode", "NetworkMode"} == set()
    assert host["PortBindings"] == {"9/tcp": [{"HostIp": "::1", "HostPort": ""}]}
