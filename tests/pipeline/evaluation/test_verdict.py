"""A verdict says what makes it doubtful."""

from pathlib import Path

from pipeline.core.stage import DataResult
from pipeline.evaluation.verdict import Case, with_cautions


def data_result(leakage: dict[str, str], *, is_guess: bool = False) -> DataResult:
    return DataResult(
        processed_dir=Path("x"), task="binary", target="class", n_rows=9, n_train=6, n_test=3, n_columns=2, n_features=1,
        classes=["a", "b"], dropped={}, warnings=[], leakage=leakage, target_is_guess=is_guess,
    )  # fmt: skip


def test_a_verdict_names_what_may_leak_and_a_guess_when_there_are_some() -> None:
    verdict = Case("binary", 0.9, 0.5, 100, None).against_baseline()
    assert with_cautions(verdict, data_result({})) == verdict
    doubtful = with_cautions(
        verdict, data_result({"code": "determines class exactly", "other": "alone separates"}, is_guess=True)
    )
    assert doubtful.reason == (
        f"{verdict.reason} The target 'class' was guessed from its name. Beware: 'code' (and 1 more) determines class exactly: "
        "possible target leakage."
    )
    assert doubtful.decision == verdict.decision
