"""One delivery in a process of its own, and what its end means."""

import sys
import time
from pathlib import Path

import pytest

from app.panel.tracking.delivery import Delivered, Delivery, NotDelivered, outcome

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("code", "out", "err", "expected"),
    [
        (0, '{"mlflow_run_id": "abc", "model_version": 3}\n', "", Delivered("abc", "3")),
        (0, 'noise\n{"mlflow_run_id": "abc", "model_version": null}\nmore\n', "", Delivered("abc", None)),
        (0, "", "", NotDelivered("The delivery ended with exit code 0.")),
        (
            3,
            '{"id": "MLF-12", "what": "MLflow is away.", "why": "Refused.", "fix": "Wait."}\n',
            "x\n",
            NotDelivered("MLF-12: MLflow is away. Refused. Wait."),
        ),
        (2, '{"id": "MLF-10", "what": "No record."}\n', "", NotDelivered("MLF-10: No record.", is_final=True)),
        (2, "", "Traceback\n  usage\n\n", NotDelivered("usage")),
        (-9, "", "", NotDelivered("The delivery ended with exit code -9.")),
    ],
)
def test_the_end_of_a_delivery_is_understood_when_it_said_this(
    code: int, out: str, err: str, expected: Delivered | NotDelivered
) -> None:
    assert outcome(code, out, err) == expected


def test_it_is_delivered_when_the_command_says_so(tmp_path: Path) -> None:
    script = "import json, sys; print(json.dumps({'mlflow_run_id': sys.argv[1], 'model_version': sys.argv[3]}))"
    result = Delivery((sys.executable, "-c", script))(tmp_path, "http://127.0.0.1:1", "")
    assert result == Delivered(str(tmp_path), "http://127.0.0.1:1")


def test_it_is_given_up_for_now_when_it_takes_too_long(tmp_path: Path) -> None:
    start_s = time.monotonic()
    result = Delivery((sys.executable, "-c", "import time; time.sleep(60)"), timeout_s=0.5)(tmp_path, "http://x", "")
    assert isinstance(result, NotDelivered)
    assert "did not accept the record" in result.error
    assert time.monotonic() - start_s < 10


def test_the_reason_is_given_when_the_record_cannot_be_read(tmp_path: Path) -> None:
    result = Delivery()(tmp_path / "gone", "http://127.0.0.1:1", "")
    assert isinstance(result, NotDelivered)
    assert result.is_final


def test_no_secret_of_the_panel_is_handed_on_when_a_record_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("PANEL_PASSWORD", "PANEL_API_TOKEN", "API_KEY", "AWS_SECRET_ACCESS_KEY")
    passed_on = ("https_proxy", "REQUESTS_CA_BUNDLE", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    for name in (*secrets, *passed_on):
        monkeypatch.setenv(name, f"value of {name}")
    script = "import json, os; print(json.dumps({'mlflow_run_id': ' '.join(os.environ.values())}))"
    result = Delivery((sys.executable, "-c", script))(tmp_path, "http://127.0.0.1:1", "")
    assert isinstance(result, Delivered)
    assert all(f"value of {name}" in result.mlflow_run_id for name in passed_on)
    assert not any(name in result.mlflow_run_id for name in secrets)


def test_token_goes_by_standard_input_when_a_record_is_delivered(tmp_path: Path) -> None:
    script = (
        "import json, os, sys; from pathlib import Path; sent = sys.stdin.read();"
        "seen = Path('/proc/self/environ').read_text() + Path('/proc/self/cmdline').read_text();"
        "print(json.dumps({'mlflow_run_id': sent, 'model_version': str(sent in seen)}))"
    )
    assert Delivery((sys.executable, "-c", script))(tmp_path, "http://x", "a-token") == Delivered("a-token", "False")
