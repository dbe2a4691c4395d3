"""The names under which services are linked: never the one under which the panel was opened."""

from pathlib import Path

import pytest
from starlette.requests import Request

from app.panel.pages.service_links import ServiceLinks
from app.panel.settings import Settings
from app.web.proxies import VIA_PROXY


def request(host: str, server: str = "x", *, via_proxy: bool = False) -> Request:
    scope = {
        "type": "http",
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", host.encode())],
        "server": (server, 8080),
    }
    return Request({**scope, VIA_PROXY: True} if via_proxy else scope)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:8080", "http://localhost:5000/"),
        ("localhost:8080", "http://127.0.0.1:5000/"),
        ("[::1]:8080", "http://127.0.0.1:5000/"),
    ],
)
def test_service_has_the_other_loopback_name_when_the_panel_is_on_this_machine(host: str, url: str) -> None:
    assert ServiceLinks(Settings(), in_container=False).url(request(host, "127.0.0.1"), "mlflow") == url


@pytest.mark.parametrize(
    ("host", "server", "bound", "allowed", "url"),
    [
        ("box.lan:8080", "192.0.2.5", "192.0.2.5", "box.lan", "http://192.0.2.5:8501/"),
        ("BOX.lan:8080", "2001:db8::5", "2001:db8::5", "box.lan", "http://[2001:db8::5]:8501/"),
        ("box.lan:8080", "192.0.2.5", "0.0.0.0", "a.lan, box.lan, 192.0.2.5", "http://192.0.2.5:8501/"),
        ("192.0.2.5:8080", "192.0.2.5", "192.0.2.5", "box.lan", "http://box.lan:8501/"),
        ("192.0.2.5:8080", "192.0.2.5", "192.0.2.5", "", ""),
        ("[2001:db8::5]:8080", "2001:db8::5", "2001:db8::5", "", ""),
        ("box.lan:8080", "192.0.2.5", "0.0.0.0", "box.lan", ""),  # the app does not answer to the address
        ("box.lan:8080", "127.0.0.1", "127.0.0.1", "box.lan", ""),
        ("box.lan:8080", "127.0.0.1", "127.0.0.1", "box.lan, other.lan", "http://other.lan:8501/"),
        ("box.lan:8080", "127.0.0.1", "127.0.0.1", "Box.lan, panel.example:443", ""),
    ],
)
def test_service_has_another_name_that_it_answers_to_or_no_link_when_the_panel_is_opened_from_elsewhere(
    host: str, server: str, bound: str, allowed: str, url: str
) -> None:
    links = ServiceLinks(Settings(panel_host=bound, allowed_hosts=allowed), in_container=False)
    opened = request(host, server)
    assert links.url(opened, "app") == links.url(opened, "api").replace(":8000", ":8501") == url
    assert ("the app" in links.missing(opened)) is not bool(url)


def test_service_has_no_link_when_it_listens_on_loopback_only() -> None:
    settings = Settings(allowed_hosts="box.lan, other.lan")
    assert ServiceLinks(settings, in_container=True).url(request("box.lan:8080"), "app") == ""
    assert ServiceLinks(settings, in_container=False).url(request("box.lan:8080"), "mlflow") == ""


def test_service_has_no_link_when_a_proxy_is_in_front_and_nobody_has_said_where_it_is() -> None:
    links = ServiceLinks(Settings(allowed_hosts="other.lan"), in_container=False)
    assert links.url(request("panel.example", "192.0.2.5", via_proxy=True), "app") == ""


@pytest.mark.parametrize("in_container", [False, True])
def test_service_is_linked_by_https_when_there_is_a_certificate(*, in_container: bool) -> None:
    links = ServiceLinks(Settings(tls_cert=Path("a.pem"), tls_key=Path("a.key")), in_container=in_container)
    assert links.url(request("127.0.0.1:8080"), "app") == "https://localhost:8501/"


def test_container_is_linked_by_another_name_when_other_machines_reach_it() -> None:
    settings = Settings(publish_address="0.0.0.0", allowed_hosts="box.lan, 192.0.2.5")
    links = ServiceLinks(settings, in_container=True)
    assert links.url(request("box.lan:8080", "172.18.0.2"), "app") == "http://192.0.2.5:8501/"
    assert links.url(request("box.lan:8080", "172.18.0.2"), "mlflow") == ""


def test_service_has_its_public_address_when_it_is_set() -> None:
    settings = Settings(mlflow_public_url="https://MLflow.example/")
    links = ServiceLinks(settings, in_container=True)
    for host in ("panel.example", "127.0.0.1:8080"):
        assert links.url(request(host), "mlflow", "/#/experiments") == "https://mlflow.example/#/experiments"
    assert links.url(request("mlflow.example:8080"), "mlflow") == ""


def test_missing_links_are_one_sentence_when_services_have_no_other_name() -> None:
    settings = Settings(app_public_url="https://app.example")
    links = ServiceLinks(settings, in_container=False)
    assert links.missing(request("127.0.0.1:8080")) == ""
    words = links.missing(request("box.lan:8080"))
    assert words.startswith("No links to the API and MLflow: ")
    assert "would send its login to them. Set API_PUBLIC_URL and MLFLOW_PUBLIC_URL to an address" in words
    only_one = ServiceLinks(
        Settings(app_public_url="https://app.example", allowed_hosts="other.lan"), in_container=False
    )
    assert "would send its login to it. Set MLFLOW_PUBLIC_URL" in only_one.missing(request("box.lan:8080"))
