"""The first stage records what the outcome of a run depends on."""

import io
import json
from pathlib import Path

from pipeline.core.events import Events
from pipeline.core.params import Params
from pipeline.core.stage import SeedResult, StageContext
from pipeline.stages.set_seed import LIBRARIES, code_digest, params_digest, run


def seeded(folder: Path, params: Params, output: io.StringIO | None = None) -> SeedResult:
    context = StageContext(
        run_id="r1",
        stage="set_seed",
        attempt=1,
        params=params,
        data_dir=folder,
        models_dir=folder / "models",
        run_dir=folder / "run",
        version=1,
    )
    return run(context, Events(output or io.StringIO()))


def test_the_record_names_everything_when_there_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "t.csv").write_text("a,b\n1,2\n")
    output = io.StringIO()
    result = seeded(tmp_path, Params(seed=7), output)
    assert (result.seed, result.n_files, result.n_bytes) == (7, 1, 8)
    assert set(result.versions) == {"python", *LIBRARIES}
    text = " ".join(json.loads(line)["text"] for line in output.getvalue().splitlines())
    for shown in ("Seed 7", result.data_digest[:12], result.params_digest[:12], result.code_digest[:12], "t.csv"):
        assert shown in text


def test_the_digests_are_the_same_when_nothing_changed_and_differ_when_something_did(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "t.csv").write_text("a,b\n1,2\n")
    before = seeded(tmp_path, Params())
    assert seeded(tmp_path, Params()) == before
    assert seeded(tmp_path, Params(scaling="none")).params_digest != before.params_digest
    (tmp_path / "raw" / "t.csv").write_text("a,b\n1,3\n")
    assert seeded(tmp_path, Params()).data_digest != before.data_digest


def test_digests_are_sha256_when_they_are_made() -> None:
    assert len(params_digest(Params())) == len(code_digest()) == 64
    assert code_digest() == code_digest()
