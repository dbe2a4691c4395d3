"""No server answers to a name that a web page may have pointed at this machine."""

import pytest

from app.web.host_guard import MAX_REMEMBERED, HostGuard, allowed_hosts, listed_hosts, other_loopback, unownable_hosts

# fmt: off
OURS = ["", "127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "192.168.1.7:80", "ml-api:8000", "gpu-box",
        "api.localhost:8000", "host.docker.internal:8000"]
STRANGE = ["evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "lan.evil.example", "a@127.0.0.1",
           "127.0.0.1:8000.evil.example", "evil.example.", "[::1].evil.example", "x" * 300, "\xff", "notlocal.com",
           "box.lan:8000", "evil.local", "evil.internal", "x.host.docker.internal", "evil.test"]
# fmt: on


def api_guard(allowed: str = "") -> HostGuard:
    """Return the guard as the prediction API uses it."""
    return HostGuard(unownable_hosts(allowed), allow_missing=True)


@pytest.mark.parametrize("host", OURS)
def test_name_is_answered_when_no_stranger_can_own_it(host: str) -> None:
    guard = api_guard()
    assert [guard.allows(host.encode()) for _ in range(2)] == [True, True]


@pytest.mark.parametrize("host", STRANGE)
def test_name_is_refused_when_a_stranger_may_own_it(host: str) -> None:
    guard = api_guard("evil.example.org, other.example")
    assert [guard.allows(host.encode("latin-1")) for _ in range(2)] == [False, False]


@pytest.mark.parametrize("allowed", ["evil.example", "other.example, Evil.Example:443", "*"])
def test_name_is_answered_when_it_is_allowed(allowed: str) -> None:
    assert api_guard(allowed).allows(b"evil.example:8000")


def test_memory_stays_bounded_when_names_differ() -> None:
    guard = api_guard()
    for n in range(2 * MAX_REMEMBERED):
        assert guard.allows(b"box-%d" % n)
    assert len(guard._allowed) == MAX_REMEMBERED


def test_missing_name_is_refused_when_names_are_listed() -> None:
    guard = HostGuard(listed_hosts({"localhost"}, {8080}))
    assert [guard.allows(host) for host in (b"", b"localhost", b"localhost:8080")] == [False, False, True]


def test_wildcard_address_is_no_name_when_all_interfaces_are_bound() -> None:
    assert "0.0.0.0" not in allowed_hosts("0.0.0.0")
    assert "[fe80::1]" in allowed_hosts("fe80::1")


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("127.0.0.1:8080", "localhost:8080"),
        ("LOCALHOST:8080", "127.0.0.1:8080"),
        ("localhost", "127.0.0.1"),
        ("[::1]:8080", "127.0.0.1:8080"),
        ("[::1]", "127.0.0.1"),
        ("box.lan:8080", ""),
        ("", ""),
    ],
)
def test_this_machine_has_another_name_when_one_of_the_two_is_given(host: str, other: str) -> None:
    assert other_loopback(host) == other
