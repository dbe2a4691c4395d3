"""Whose word counts for who a client is, by which scheme and under which name it came."""

import asyncio
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from app.web.proxies import VIA_PROXY, ProxyList, behind_proxies

TRUSTED = "127.0.0.1, 10.0.0.0/8, fd00::/8"


def seen(peer: str | None, *headers: tuple[str, str], trusted: str = TRUSTED) -> Scope:
    """Return the scope that an application behind the middleware is given."""
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        scopes.append(scope)

    raw = [(name.encode(), value.encode()) for name, value in (("host", "inner:8080"), *headers)]
    scope = {"type": "http", "client": peer and (peer, 5), "scheme": "http", "headers": raw}
    nothing: Any = None

    async def call() -> None:
        await behind_proxies(app, trusted)(scope, nothing, nothing)

    asyncio.run(call())
    return scopes[0]


def host(scope: Scope) -> list[str]:
    return [value.decode() for name, value in scope["headers"] if name == b"host"]


ALL = (("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "panel.example"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
def test_client_scheme_and_host_are_those_of_the_browser_when_a_trusted_proxy_says_so(peer: str) -> None:
    scope = seen(peer, *ALL)
    assert (scope["client"], scope["scheme"], host(scope)) == (("192.0.2.7", 0), "https", ["panel.example"])
    assert scope[VIA_PROXY] is True
    assert [name for name, _ in scope["headers"]] == [b"host"]


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.2", "::1", "not an address", None])
def test_headers_are_ignored_and_removed_when_anybody_else_sends_them(peer: str | None) -> None:
    scope = seen(peer, *ALL, ("forwarded", "for=192.0.2.7"))
    assert (scope["client"], scope["scheme"], host(scope)) == (peer and (peer, 5), "http", ["inner:8080"])
    assert VIA_PROXY not in scope
    assert [name for name, _ in scope["headers"]] == [b"host"]


def test_application_is_left_alone_when_no_proxy_is_trusted() -> None:
    scope = seen("127.0.0.1", *ALL, trusted="")
    assert (scope["client"], scope["scheme"], host(scope)) == (("127.0.0.1", 5), "http", ["inner:8080"])


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.7", ("192.0.2.7", 0)),
        ("192.0.2.7:99", ("192.0.2.7", 99)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]:99", ("2001:db8::1", 99)),
        ("1.1.1.1, 192.0.2.7", ("192.0.2.7", 0)),  # the client itself sent the first
        ("192.0.2.7, 10.0.0.1", ("192.0.2.7", 0)),
        ("1.1.1.1, 192.0.2.7, 10.0.0.1, 10.0.0.2", ("192.0.2.7", 0)),
        ("10.0.0.9, 10.0.0.1", ("10.0.0.9", 0)),  # a proxy's own request
        ("unknown", ("127.0.0.1", 5)),
        ("192.0.2.7, unknown, 10.0.0.1", ("10.0.0.1", 0)),  # who came before the proxy is not known
        ("", ("127.0.0.1", 5)),
        ("192.0.2.7:x", ("192.0.2.7", 0)),
        ("1" * 10_000, ("127.0.0.1", 5)),
    ],
)
def test_client_is_the_last_address_that_is_no_proxy_when_there_are_several(
    value: str, client: tuple[str, int]
) -> None:
    assert seen("127.0.0.1", ("x-forwarded-for", value))["client"] == client


def test_client_is_found_when_each_proxy_adds_a_line_of_its_own() -> None:
    lines = (("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.7, 10.0.0.1"))
    assert seen("127.0.0.1", *lines)["client"] == ("192.0.2.7", 0)


@pytest.mark.parametrize(
    ("chain", "value", "scheme"),
    [
        ("192.0.2.7", "https", "https"),
        ("192.0.2.7", "HTTPS", "https"),
        ("192.0.2.7", "https, http", "http"),  # one proxy; the client itself sent the first
        ("192.0.2.7, 10.0.0.1", "https, http", "https"),
        ("192.0.2.7, 10.0.0.1", "https", "https"),
        ("192.0.2.7, 10.0.0.1", "http, https, http", "https"),
        ("192.0.2.7", "gopher", "http"),
        ("192.0.2.7", "", "http"),
    ],
)
def test_scheme_is_that_of_the_outermost_proxy_when_there_are_several(chain: str, value: str, scheme: str) -> None:
    scope = seen("127.0.0.1", ("x-forwarded-for", chain), ("x-forwarded-proto", value))
    assert scope["scheme"] == scheme


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("panel.example:8443", "panel.example:8443"),
        ("evil.example, panel.example", "panel.example"),
        ("a b", "inner:8080"),
        ("a@b", "inner:8080"),
        ("", "inner:8080"),
    ],
)
def test_host_is_replaced_only_by_what_a_host_may_be(value: str, name: str) -> None:
    assert host(seen("127.0.0.1", ("x-forwarded-host", value))) == [name]


@pytest.mark.parametrize("text", ["nginx", "10.0.0.0/33", "10.0.0.1/8", "*", "10.0.0.1;10.0.0.2"])
def test_setting_is_refused_when_it_names_no_address(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ProxyList).validate_python(text)
