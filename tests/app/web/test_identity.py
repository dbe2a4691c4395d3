"""Who counts as one client, and what a role may do."""

import pytest

from app.web.identity import Identity, client_of


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("testclient", "testclient"),
        ("127.3.2.1", "loopback"),
        ("::1", "loopback"),
    ],
)
def test_client_is_an_address_or_the_network_of_one_subscriber(address: str, client: str) -> None:
    assert client_of(address) == client


def test_higher_role_may_all_that_a_lower_one_does() -> None:
    may = {
        role: [Identity("a", role, "link").may(each) for each in ("viewer", "operator", "admin")]
        for role in ("viewer", "operator", "admin")
    }
    assert may == {"viewer": [True, False, False], "operator": [True, True, False], "admin": [True, True, True]}
    assert not Identity("a", None, "token").may("viewer")
