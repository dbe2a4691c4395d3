"""The built-in credit table looks like the public file and can be learned as well as it should."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from pipeline.ingest.sample_table import FILE_NAME, TARGET, ensure_sample, generate, to_csv

pytestmark = pytest.mark.slow
COLUMNS = [
    "SeriousDlqin2yrs",
    "RevolvingUtilizationOfUnsecuredLines",
    "age",
    "NumberOfTime30-59DaysPastDueNotWorse",
    "DebtRatio",
    "MonthlyIncome",
    "NumberOfOpenCreditLinesAndLoans",
    "NumberOfTimes90DaysLate",
    "NumberRealEstateLoansOrLines",
    "NumberOfTime60-89DaysPastDueNotWorse",
    "NumberOfDependents",
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.DataFrame(generate())


def test_the_layout_is_that_of_the_public_file_when_it_is_written(tmp_path: Path) -> None:
    assert ensure_sample(tmp_path / "raw")
    lines = (tmp_path / "raw" / FILE_NAME).read_text("ascii").splitlines()
    assert lines[0] == "," + ",".join(COLUMNS)
    assert len(lines) == 150_001
    assert [line.split(",")[0] for line in lines[1:4]] == ["1", "2", "3"]


def test_a_table_is_left_alone_when_one_lies_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a table")
    (tmp_path / "own.CSV").write_text("a,b\n1,2\n")
    assert not ensure_sample(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "own.CSV"]


def test_the_bytes_are_the_same_when_it_is_written_twice() -> None:
    assert to_csv(generate(2000)) == to_csv(generate(2000))


def test_the_shares_are_exact_when_all_rows_are_drawn(table: pd.DataFrame) -> None:
    assert int(table[TARGET].sum()) == 10_026
    assert table["MonthlyIncome"].isna().sum() == 29_700
    assert table["NumberOfDependents"].isna().sum() == 3_900
    assert table.drop(columns=["MonthlyIncome", "NumberOfDependents"]).notna().all(axis=None)


def test_the_tails_are_heavy_when_all_rows_are_drawn(table: pd.DataFrame) -> None:
    late = table[[name for name in COLUMNS if "PastDue" in name or "Late" in name]]
    assert 200 <= late.isin([96, 98]).all(axis=1).sum() <= 400
    assert ((late == 0).mean() > 0.8).all()
    assert table["RevolvingUtilizationOfUnsecuredLines"].max() > 5000
    assert table["MonthlyIncome"].max() > 500_000
    unknown = table["MonthlyIncome"].isna()
    assert table.loc[unknown, "DebtRatio"].median() > 100
    assert table.loc[~unknown, "DebtRatio"].median() < 1


def test_boosting_beats_a_line_clearly_when_both_learn_it(table: pd.DataFrame) -> None:
    X = table.drop(columns=TARGET).fillna(table.median())
    y: npt.NDArray[np.float64] = table[TARGET].to_numpy()
    test = np.random.default_rng(0).random(len(X)) < 0.2
    with threadpool_limits(1):  # on cores that others use, waiting threads cost ten times the work
        boosted = HistGradientBoostingClassifier(random_state=0).fit(X[~test], y[~test])
    # The line gets every help: no tail beyond the percentiles, one scale.
    tame = X.clip(X.quantile(0.01), X.quantile(0.99), axis=1)
    tame = (tame - tame.mean()) / tame.std()
    line = LogisticRegression(max_iter=1000).fit(tame[~test], y[~test])
    assert 0.852 < roc_auc_score(y[test], boosted.predict_proba(X[test])[:, 1]) < 0.873
    assert roc_auc_score(y[test], line.predict_proba(tame[test])[:, 1]) < 0.83
