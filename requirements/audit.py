"""`make audit`: ask a feed of known vulnerabilities about every locked package of the image, and say plainly what it said.

pip-audit by itself ends with 0 when the feed knows none of the packages, as a mirror does, and with a traceback when
there is no network; neither is an answer.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
LOCKED = ("panel.txt", "serve.txt")
OK, VULNERABLE, UNKNOWN = 0, 1, 2


class Verdict(NamedTuple):
    """What to say and the exit code."""

    lines: tuple[str, ...]
    exit_code: int


def main(arguments: Sequence[str]) -> int:
    """Print the verdict on each lock file; `arguments` may name another feed that pip-audit knows (`pypi`)."""
    feed = arguments[0] if arguments else "osv"
    codes = []
    for name in LOCKED:
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", feed, "--requirement", name]
        options = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        done = subprocess.run([*command, *options], cwd=FOLDER, capture_output=True, text=True, check=False)
        found = verdict(f"requirements/{name}", feed, done.stdout, done.stderr)
        print("\n".join(found.lines))
        codes.append(found.exit_code)
    return VULNERABLE if VULNERABLE in codes else max(codes)


def verdict(file: str, feed: str, stdout: str, stderr: str) -> Verdict:
    """Return what pip-audit's output means: only packages that the feed answered for count as audited."""
    try:
        packages: list[Mapping[str, Any]] = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (stderr.strip().splitlines() or ["pip-audit said nothing."])[-1]
        return Verdict((f"{file}: NOT AUDITED. The feed {feed} cannot be reached: {reason}",), UNKNOWN)
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{file}: {package['name']} {package['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'none'}"
        for package in packages
        for each in package.get("vulns", ())
    ]
    if skipped:
        return Verdict(
            (*lines, f"{file}: NOT AUDITED: the feed {feed} does not know {len(skipped)} of {len(packages)} packages."),
            VULNERABLE if lines else UNKNOWN,
        )
    if lines:
        return Verdict(tuple(lines), VULNERABLE)
    return Verdict((f"{file}: {len(packages)} packages, no known vulnerability ({feed}).",), OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
