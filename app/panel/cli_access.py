"""`ml-pipeline link`, `users`, `token` and `audit`: access in a terminal. Passwords are never on a command line."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from app.panel.cli_output import cell, coloured, minute, printable
from app.panel.problems import PanelUnreachableError, PasswordsDifferError
from app.web.identity import ROLES, TOKEN_SCOPES

if TYPE_CHECKING:
    from app.panel.client import PanelClient

VERBS: Final = frozenset({"link", "users", "token", "audit"})
START_S: Final = 60.0  # a panel that has just been started may take so long to respond
RETRY_S: Final = 0.25
MAX_ENTRIES: Final = 1000  # of one request


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to those of `ml-pipeline`."""
    verbs.add_parser("link", help="print the link that logs in, once the panel responds")
    users = verbs.add_parser("users", help="list, add and change users").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    users.add_parser("list", help="list all users")
    add = users.add_parser("add", help="add a user")
    add.add_argument("name")
    add.add_argument("role", choices=ROLES)
    add.add_argument("--password", action="store_true", help="ask for a password, or read it from standard input")
    role = users.add_parser("role", help="change what a user may do")
    role.add_argument("name")
    role.add_argument("role", choices=ROLES)
    for what, text in (
        ("password", "set a password: asked for, or read from standard input"),
        ("disable", "let a user do nothing any more"),
        ("enable", "let a disabled user in again"),
        ("remove", "remove a user, and revoke their tokens"),
    ):
        users.add_parser(what, help=text).add_argument("name")
    tokens = verbs.add_parser("token", help="create, list and revoke API tokens").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    create = tokens.add_parser("create", help="create a token, and print it once")
    create.add_argument("name", help="what it is for")
    create.add_argument("--scope", choices=TOKEN_SCOPES, default="read")
    create.add_argument("--days", type=int, default=90, help="how long it works; 0: until it is revoked")
    tokens.add_parser("list", help="list all tokens")
    tokens.add_parser("revoke", help="revoke a token").add_argument("id", type=int, help="its number in the list")
    audit = verbs.add_parser("audit", help="show who did what")
    audit.add_argument("--limit", type=int, default=30, help="how many entries, the newest first")
    audit.add_argument("--actor", default="", help="only what this user or token did")
    audit.add_argument("--action", default="", help="only this, such as run.start, or all of run")


def run(arguments: argparse.Namespace, panel: "PanelClient") -> int:
    """Run one command and return the exit code. Raises ProblemError."""
    if arguments.verb == "link":
        print(_wait_for_link(panel))
        return 0
    if arguments.verb == "users":
        return _users(arguments, panel)
    if arguments.verb == "token":
        return _token(arguments, panel)
    return _audit(arguments, panel)


def _wait_for_link(panel: "PanelClient") -> str:
    """Return the link; where the panel is still starting, as soon as it responds. Raises PanelUnreachableError after START_S."""
    deadline = time.monotonic() + START_S
    is_waiting = False
    while True:
        try:
            return str(panel.get("/api/v1/login-link")["url"])
        except PanelUnreachableError:
            if time.monotonic() >= deadline:
                raise
        if not is_waiting:
            print(f"Waiting for the panel at {panel.url}.", file=sys.stderr)
            is_waiting = True
        time.sleep(RETRY_S)


def read_password() -> str:
    """Return a password: asked for twice in a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    password = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != password:
        raise PasswordsDifferError
    return password


def _users(arguments: argparse.Namespace, panel: "PanelClient") -> int:
    if arguments.what == "list":
        return _list_users(panel)
    path = f"/api/v1/users/{quote(arguments.name, safe='')}"
    name = printable(arguments.name)
    if arguments.what == "add":
        password = read_password() if arguments.password else None
        panel.post("/api/v1/users", {"name": arguments.name, "role": arguments.role, "password": password})
        print(f"{name} is there, with the role {arguments.role}.")
    elif arguments.what == "role":
        panel.send("PATCH", path, {"role": arguments.role})
        print(f"{name} has the role {arguments.role}.")
    elif arguments.what == "password":
        panel.send("PUT", f"{path}/password", {"password": read_password()})
        print(f"{name} has a new password; their sessions have ended.")
    elif arguments.what == "remove":
        panel.send("DELETE", path)
        print(f"{name} is removed.")
    else:
        panel.send("PATCH", path, {"is_disabled": arguments.what == "disable"})
        print(f"{name} is {arguments.what}d.")
    return 0


def _list_users(panel: "PanelClient") -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "password", "last login", "state")
    for user in panel.get("/api/v1/users")["users"]:
        password = "by setting" if user["is_password_set_by_setting"] else "yes" if user["has_password"] else "no"
        state = "disabled" if user["is_disabled"] else "enabled"
        table.add_row(cell(user["name"]), user["role"], password, minute(user["last_login_at"]), state)
    Console().print(table)
    return 0


def _token(arguments: argparse.Namespace, panel: "PanelClient") -> int:
    if arguments.what == "create":
        body = {"name": arguments.name, "scope": arguments.scope, "days": arguments.days or None}
        print(panel.post("/api/v1/tokens", body)["token"])
        print("It is not shown again.", file=sys.stderr)
        return 0
    if arguments.what == "revoke":
        panel.send("DELETE", f"/api/v1/tokens/{arguments.id}")
        print(f"Token {arguments.id} is revoked.")
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "user", "scope", "created", "expires", "last used")
    for row in panel.get("/api/v1/tokens")["tokens"]:
        expires = "never" if row["expires_at"] is None else minute(row["expires_at"])
        names = cell(row["name"]), cell(row["owner"])
        table.add_row(
            str(row["id"]), *names, row["scope"], minute(row["created_at"]), expires, minute(row["last_used_at"])
        )
    Console().print(table)
    return 0


def _audit(arguments: argparse.Namespace, panel: "PanelClient") -> int:
    from rich.console import Console
    from rich.table import Table

    limit = max(1, min(arguments.limit, MAX_ENTRIES))
    query = {"limit": limit, "actor": arguments.actor, "action": arguments.action}
    table = Table("time", "who", "from", "action", "target", "change", "outcome")
    for row in panel.get("/api/v1/audit", **query)["entries"]:
        table.add_row(
            minute(row["at"]),
            cell(row["actor"] or "–"),
            cell(row["address"]),
            cell(row["action"]),
            cell(row["target"]),
            cell(_change(row)),
            coloured(row["outcome"]),
        )
    Console().print(table)
    return 0


def _change(row: dict[str, Any]) -> str:
    """Return what an entry changed, in words; else why it ended as it did."""
    before, after = row["before"] or {}, row["after"] or {}
    changes = [
        f"{name}: {before[name]} → {after[name]}" for name in before if name in after and before[name] != after[name]
    ]
    return ", ".join(changes) or row["detail"]
