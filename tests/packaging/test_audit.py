"""What `make audit` makes of pip-audit's answers: no answer is not a good one."""

import json

import pytest

from requirements.audit import OK, UNKNOWN, VULNERABLE, verdict

CLEAN = {"name": "h11", "version": "0.16.0", "vulns": []}
SKIPPED = {"name": "h11", "skip_reason": "Dependency not found and could not be audited: h11 (0.16.0)"}
VULNERABLE_ONE = {"name": "h11", "version": "0.14.0", "vulns": [{"id": "CVE-2025-43859", "fix_versions": ["0.16.0"]}]}


@pytest.mark.parametrize(
    ("packages", "exit_code", "said"),
    [
        ([CLEAN, CLEAN], OK, "2 packages, no known vulnerability"),
        ([CLEAN, VULNERABLE_ONE], VULNERABLE, "h11 0.14.0: CVE-2025-43859, fixed in 0.16.0"),
        ([CLEAN, SKIPPED], UNKNOWN, "NOT AUDITED: the feed osv does not know 1 of 2"),
        ([VULNERABLE_ONE, SKIPPED], VULNERABLE, "NOT AUDITED"),
    ],
)
def test_only_an_answer_for_each_package_is_good_news(
    packages: list[dict[str, object]], exit_code: int, said: str
) -> None:
    found = verdict("requirements/panel.txt", "osv", json.dumps({"dependencies": packages}), "")
    assert found.exit_code == exit_code
    assert said in "\n".join(found.lines)


def test_it_says_so_when_no_feed_can_be_reached() -> None:
    trace = "Traceback ...\nrequests.exceptions.ConnectionError: Failed to resolve the feed's name"
    found = verdict("requirements/panel.txt", "osv", "", trace)
    assert found.exit_code == UNKNOWN
    (line,) = found.lines
    assert line.startswith("requirements/panel.txt: NOT AUDITED. The feed osv cannot be reached: ")
    assert line.endswith("Failed to resolve the feed's name")
