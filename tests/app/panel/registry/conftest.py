"""The registry of a panel over a real database, real bundles on disk, and an API that follows the pointer."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from app.panel.clock import SystemClock
from app.panel.db.engine import Database
from app.panel.db.migrate import open_database
from app.panel.registry.queries import ModelQueries
from app.panel.registry.service import ModelService
from app.panel.runs.domain.interfaces import DeployResult
from app.panel.services.prediction_client import PredictionClient
from pipeline.core.bundle import write_bundle
from pipeline.core.events import Level
from pipeline.core.manifest import Golden, Histogram, Manifest, digest_of
from pipeline.core.params import Params
from pipeline.core.pointer import read_pointer
from pipeline.core.stage import GateVerdict, StageContext, TrainResult
from tests.fakes.api import FakeApi

Decision = Literal["promote", "keep", "identical"]


@dataclass
class Log:
    """A run's log as a list."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def log(self, text: str, level: Level = "info") -> None:  # noqa: ARG002 - the signature is that of StageLog
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, done: float, total: float, label: str = "") -> None:
        pass


def manifest_of(version: int, run_id: str, model: bytes) -> Manifest:
    """Return a manifest that fits `model`, which no runtime could load."""
    golden = [
        Golden(record={"x": float(n), "city": None}, probabilities=[1 - p, p])
        for n, p in enumerate((0.1, 0.25, 0.987654321))
    ]
    manifest = Manifest(
        version=version,
        run_id=run_id,
        created_at="2026-01-02T03:04:05+00:00",
        digest="",
        model_sha256=hashlib.sha256(model).hexdigest(),
        model_bytes=len(model),
        task="binary",
        target="y",
        classes=["no", "yes"],
        estimator="linear",
        hyperparameters={},
        primary_metric="roc_auc",
        metrics={"roc_auc": 0.8},
        importances={},
        features=[],
        score_histogram=Histogram(edges=[0.0, 1.0], counts=[1]),
        golden=golden,
        seed=1,
        n_train=1,
        n_test=1,
        data_digest="d",
        code_digest="c",
        params_digest="p",
        versions={},
    )
    return manifest.model_copy(update={"digest": digest_of(manifest)})


def verdict_of(decision: Decision) -> GateVerdict:
    """Return a verdict with a reason."""
    return GateVerdict(
        decision=decision,
        reason=f"The gate says {decision}.",
        metric="roc_auc",
        challenger=0.8,
        champion=None,
        champion_version=None,
        baseline=0.5,
        difference=None,
        low=None,
        high=None,
        n_rows=10,
    )


class RegistryHarness:
    """`deploy(n)` is the deploy stage of run n, whose model is `model` (its number unless given)."""

    def __init__(self, folder: Path, watch_s: float = 0.0, api_key: str = "") -> None:
        self.folder = folder
        self.models_dir = folder / "models"
        self.models_dir.mkdir(exist_ok=True)
        self.db: Database = open_database(folder / "panel.db", SystemClock().now())
        self.api = FakeApi(self.models_dir)
        self.log = Log()
        self.watch_s = watch_s
        self.client = PredictionClient(self.api, api_key)
        self.warning = ""
        self.begin()

    def begin(self) -> None:
        """Start a new panel process over the same files."""
        self.queries = ModelQueries(self.db, self.models_dir)
        self.models = ModelService(
            models_dir=self.models_dir,
            db=self.db,
            queries=self.queries,
            services=self.api,
            clock=SystemClock(),
            watch_s=self.watch_s,
            runs_dir=self.folder / "runs",
            client=self.client,
            warning=lambda: self.warning,
        )

    def close(self) -> None:
        self.models.close()
        self.api.close()
        self.db.close()

    def trained(
        self, run: int, decision: Decision = "promote", model: str = "", attempt: int = 1, version: int | None = None
    ) -> tuple[StageContext, TrainResult]:
        """Return the arguments of the deploy stage of run `run`."""
        run_dir = self.folder / f"run-{run}"
        number = self.models.next_version() if version is None else version
        graph = f"graph {model or run}".encode()
        manifest = manifest_of(number, f"run-{run}", graph)
        if not (run_dir / "bundle").exists():
            write_bundle(run_dir / "bundle", manifest, graph)
        ctx = StageContext(
            run_id=f"run-{run}",
            stage="deploy",
            attempt=attempt,
            params=Params(),
            data_dir=self.folder,
            models_dir=self.models_dir,
            run_dir=run_dir,
            version=number,
        )
        result = TrainResult(
            bundle_dir=run_dir / "bundle",
            digest=manifest.digest,
            task="binary",
            estimator="linear",
            threshold=None,
            metrics={"roc_auc": 0.8},
            baseline={},
            primary_metric="roc_auc",
            verdict=verdict_of(decision),
            parity=0.0,
            compute_s={},
            hyperparameters={},
            warnings=[],
        )
        return ctx, result

    def deploy(self, run: int, decision: Decision = "promote", model: str = "", attempt: int = 1) -> DeployResult:
        ctx, result = self.trained(run, decision, model, attempt)
        return self.models.deploy(ctx, result, self.log, threading.Event())

    @property
    def live(self) -> int | None:
        """Return the version that the pointer names."""
        pointer = read_pointer(self.models_dir)
        return pointer.version if pointer else None

    def history(self) -> list[tuple[str, int | None, int | None, str]]:
        """Kind, from, to, outcome; oldest first."""
        rows = reversed(self.queries.deployments())
        return [(row.kind, row.from_version, row.to_version, row.outcome) for row in rows]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryHarness]:
    harness = RegistryHarness(tmp_path)
    yield harness
    harness.close()
