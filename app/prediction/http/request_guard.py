"""Decides whether a request may be handled at all: by its host, its key, the page that sent it, the type of its body."""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

from app.prediction.http.content_types import check_content_type
from app.prediction.http.request_metrics import route_label
from app.prediction.problems import CrossSiteError, HostNotAllowedError, UnauthorizedError, UnsupportedBodyError
from app.prediction.settings import ApiSettings
from app.web.access import FILE, AccessList
from app.web.host_guard import HostGuard, unownable_hosts
from app.web.identity import client_address, client_of
from app.web.wrong_tokens import WrongTokens

log = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes]  # by lower-case name

# They hold rows of the table (golden rows) and counts of live data: the key guards them as it does POST.
DATA_PATHS: Final = frozenset({"/model", "/stats"})
# What `Sec-Fetch-Site` says of a page of this origin, and of what a person typed or a program sent.
OWN_SITES: Final = frozenset({b"same-origin", b"none"})


class RequestGuard:
    """Lets a request pass, or raises the problem that answers it."""

    def __init__(self, settings: ApiSettings) -> None:
        self._key = settings.bearer().encode()
        self._access = AccessList(settings.access_dir / FILE) if settings.access_dir is not None else None
        self._wrong_tokens = WrongTokens() if self._key else None
        self._hosts = HostGuard(unownable_hosts(settings.allowed_hosts), allow_missing=True)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raise UnauthorizedError API-08 (401), TooManyTokensError AUTH-15 (429), HostNotAllowedError API-17 (421),
        CrossSiteError API-18 (403) or UnsupportedBodyError API-07 (415) for a POST or a path with data; return at once
        for any other."""
        path = scope["path"]
        if scope["method"] == "POST":
            self._authorize(scope, headers)
            if not self._key:  # no web page knows it
                _check_sender(headers)
            _check_body(path, headers)
        elif path in DATA_PATHS:
            self._authorize(scope, headers)

    def caller(self, headers: Headers, address: str) -> str:
        """Return whose quota a request that has passed counts against: that of its key, or else of its address."""
        return hashlib.sha256(_key_in(headers)).hexdigest() if self._key else client_of(address)

    def _authorize(self, scope: Scope, headers: Headers) -> None:
        """Raise UnauthorizedError API-08 (401) for what is neither the key nor a token that may predict, or
        TooManyTokensError AUTH-15 (429); where no key is set, HostNotAllowedError API-17 (421) for a foreign host name."""
        if not self._key:
            host = headers.get(b"host", b"")
            if not self._hosts.allows(host):
                raise HostNotAllowedError(host)
            return
        key = _key_in(headers)
        if not hmac.compare_digest(key, self._key) and not self._is_token(key):
            if key and self._wrong_tokens is not None:
                address = client_address(scope)
                self._wrong_tokens.count(address)
                log.warning("action=token.use result=refused address=%s", address)
            raise UnauthorizedError

    def _is_token(self, key: bytes) -> bool:
        """Return whether this is a token of the panel that may predict."""
        if self._access is None or not key:
            return False
        return self._access.token(key.decode("latin-1"), "api") is not None


def _key_in(headers: Headers) -> bytes:
    """Return the API key that came with the request, b"" for none."""
    if key := headers.get(b"x-api-key"):
        return key
    authorization = headers.get(b"authorization", b"")
    return authorization[7:].strip() if authorization[:7].lower() == b"bearer " else b""


def _check_sender(headers: Headers) -> None:
    """Raise CrossSiteError API-18 (403) for what a browser sends for a page of another origin.

    Browsers tell `Sec-Fetch-Site` only to hosts that they trust (HTTPS, this machine), but `Origin` with each POST.
    """
    origin = headers.get(b"origin")
    if headers.get(b"sec-fetch-site", b"none") not in OWN_SITES:
        raise CrossSiteError(origin or b"")
    if origin is None:
        return
    asking = origin.partition(b"://")[2].lower()  # nothing of `null`, which stands for a page without an origin
    if not asking or asking != headers.get(b"host", b"").lower():
        raise CrossSiteError(origin)


def _check_body(path: str, headers: Headers) -> None:
    """Raise UnsupportedBodyError API-07 (415) for a compressed body, or one of a type that `path` does not take."""
    coding = headers.get(b"content-encoding", b"identity").lower()
    if coding not in {b"identity", b""}:
        raise UnsupportedBodyError.compressed(coding.decode("latin-1"))
    if path != "/predict" or headers.get(b"content-type") != b"application/json":  # as nearly all requests are
        check_content_type(route_label(path), headers)
