"""The access list: read when it has changed, and nobody is let in where it is missing or damaged."""

from pathlib import Path

import pytest

from app.web.access import FILE, Access, AccessList, SessionAccess, TokenAccess, digest, session_digest, token_identity


def write(folder: Path, access: Access) -> None:
    aside = folder / "new"
    aside.write_bytes(access.to_json())
    aside.replace(folder / FILE)


def session(expires_at: float = 100.0) -> SessionAccess:
    return SessionAccess("app", "anna", "viewer", "password", 0.0, expires_at, is_long=False)


def test_token_and_session_are_found_until_they_expire(tmp_path: Path) -> None:
    now = 0.0
    access = AccessList(tmp_path / FILE, now=lambda: now)
    write(
        tmp_path,
        Access(
            {digest("t"): TokenAccess("admin/ci", ("app",), "operator", 50.0)}, {session_digest("c", "g"): session()}
        ),
    )
    entry = access.token("t", "app")
    assert entry is not None
    assert token_identity(entry).name == "admin/ci"
    assert (access.token("t", "mlflow"), access.token("t", "api")) == (None, None)
    assert access.session(session_digest("c", "g"), "app") == session()
    assert access.session(session_digest("c", "g"), "mlflow") is None
    assert (access.token("T", "app"), access.session(session_digest("g", "c"), "app")) == (None, None)
    now = 50.0
    assert access.token("t", "app") is None
    now = 100.0
    assert access.session(session_digest("c", "g"), "app") is None


def test_next_request_is_refused_when_the_panel_has_ended_an_access(tmp_path: Path) -> None:
    access = AccessList(tmp_path / FILE)
    write(tmp_path, Access({digest("t"): TokenAccess("ci", ("app",), "viewer")}))
    assert access.token("t", "app") is not None
    write(tmp_path, Access())
    assert access.token("t", "app") is None


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"tokens": 1, "sessions": {}}', b"\xff"])
def test_nobody_is_let_in_when_the_list_is_missing_or_damaged(tmp_path: Path, content: bytes | None) -> None:
    access = AccessList(tmp_path / FILE)
    write(tmp_path, Access({digest("t"): TokenAccess("ci", ("app",), "viewer")}))
    assert access.token("t", "app") is not None
    (tmp_path / FILE).unlink()
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert access.token("t", "app") is None


def test_digest_is_made_of_any_text_when_it_is_no_token_at_all() -> None:
    assert digest("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert len(digest("\udc80")) == 64
