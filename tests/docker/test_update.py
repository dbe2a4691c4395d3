"""A new image under load: what predicts is replaced, and nobody who asks for a prediction notices."""

import json
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

import pytest

from bench.compose_stack import Stack, docker, stack_of

pytestmark = pytest.mark.docker
N_UPDATES = 5
EVERY_S = 0.05
ROW = json.dumps({"age": 45, "MonthlyIncome": 5400, "DebtRatio": 0.3}).encode()


@dataclass
class Answers:
    """Of all requests so far: how many got a prediction, and what the others got."""

    n_good: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def asked_all_the_time(url: str) -> Iterator[Answers]:
    """Ask for a prediction twenty times a second, each time over a connection of its own, whether or not earlier ones are answered."""
    answers, done = Answers(), threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, ROW, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                json.load(answer)["probability"]
            answers.n_good += 1
        except (OSError, ValueError, KeyError, HTTPException) as error:
            answers.failures.append(repr(error))

    def keep_asking() -> None:
        with ThreadPoolExecutor(64) as pool:
            while not done.wait(EVERY_S):
                pool.submit(ask)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        yield answers
    finally:
        done.set()
        asking.join()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_of(tmp_path_factory.mktemp("clone"), f"amlp-update-{secrets.token_hex(3)}") as project:
        project.compose("build", "--quiet")
        project.compose("up", "-d", "--wait")
        run = project.panel("runs", {})["id"]
        project.until(
            lambda: project.panel(f"runs/{run}")["state"] == "succeeded", within_s=240, what="a model is live"
        )
        yield project


def update(stack: Stack, n: int) -> None:
    """Change the code, build, `up`, and return when the API is of the new image and all is well."""
    with (stack.folder / "app/prediction/__init__.py").open("a") as code:
        code.write(f"# change {n}\n")
    stack.compose("build", "--quiet")
    stack.compose("up", "-d")
    new = docker("image", "inspect", "-f", "{{.Id}}", stack.project)
    stack.until(lambda: stack.inspect("api")["Image"] == new, within_s=120, what="the API is of the new image")
    stack.until(stack.is_healthy, within_s=120, what="all services answer")


@pytest.mark.timeout(1200)
def test_no_request_fails_when_the_image_is_updated_under_load(stack: Stack) -> None:
    with asked_all_the_time(f"{stack.url('API_PORT')}/predict") as answers:
        stack.until(lambda: answers.n_good > 20, within_s=30, what="predictions")
        for n in range(N_UPDATES):
            update(stack, n)
    assert answers.failures == [], f"{len(answers.failures)} of {answers.n_good + len(answers.failures)}"
    assert answers.n_good > 100 * N_UPDATES
