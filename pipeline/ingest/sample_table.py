"""The built-in credit table: synthetic people, in the layout of the public "Give Me Some Credit" training file.

Made by the code below from a fixed seed; no row of it describes a person. The shares of positives and of missing
values, the heavy tails and the codes 96 and 98 among the late payments are those of the public file, so that the
real one, dropped in its place, works unchanged.

`python -m pipeline sample DIR` writes it into DIR if no table lies there. Needs numpy only.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.core.atomic_files import write_atomic
from pipeline.core.table_files import is_table

FILE_NAME: Final = "cs-training.csv"
TARGET: Final = "SeriousDlqin2yrs"
N_ROWS: Final = 150_000
POSITIVE_SHARE: Final = 0.06684
INCOME_MISSING_SHARE: Final = 0.198
DEPENDENTS_MISSING_SHARE: Final = 0.026
CODE_SHARE: Final = 0.0018  # rows with 96 or 98 instead of counts of late payments
NOISE: Final = 1.07  # of the outcome: limits what a perfect model could reach
SEED: Final = 20110919

# Unit and meaning of the columns, for the form of the prediction app.
MEANINGS: Final = {
    "RevolvingUtilizationOfUnsecuredLines": ("", "Balance on cards and credit lines, as a share of their limits"),
    "age": ("years", "Age of the borrower"),
    "NumberOfTime30-59DaysPastDueNotWorse": ("", "Times 30 to 59 days late in the last two years"),
    "DebtRatio": ("", "Monthly expenses and debt payments, as a share of the monthly income"),
    "MonthlyIncome": ("per month", "Income before taxes"),
    "NumberOfOpenCreditLinesAndLoans": ("", "Open loans, cards and credit lines"),
    "NumberOfTimes90DaysLate": ("", "Times 90 days late or more"),
    "NumberRealEstateLoansOrLines": ("", "Mortgages and other loans on real estate"),
    "NumberOfTime60-89DaysPastDueNotWorse": ("", "Times 60 to 89 days late in the last two years"),
    "NumberOfDependents": ("", "People in the family who depend on the borrower"),
}

Column = npt.NDArray[np.float64]


def generate(n_rows: int = N_ROWS, seed: int = SEED) -> dict[str, Column]:
    """Return the columns of the table in file order, NaN where missing; equal arguments give equal values.

    Shares are exact up to rounding to whole rows.
    """
    rng = np.random.default_rng(seed)
    strain = rng.standard_normal(n_rows)  # how tight money is: hidden, drives most columns
    person = _draw_person(rng, strain)
    usage = _draw_usage(rng, strain, person["age"])
    expenses, debt_ratio = _draw_expenses(rng, strain, person)
    late_30 = _late_counts(rng, strain, -1.75, 0.62)
    late_60 = _late_counts(rng, strain + 0.5 * np.minimum(late_30, 2), -3.75, 0.72)
    late_90 = _late_counts(rng, strain + 0.6 * np.minimum(late_60, 2), -3.95, 0.88)
    late = {"late_30": late_30, "late_60": late_60, "late_90": late_90}

    risk = _risk(person | late | {"usage": usage, "debt_ratio": debt_ratio})
    coded = _exact_share(rng, np.zeros(n_rows), CODE_SHARE)
    risk[coded] += 2.1
    codes = np.where(rng.random(len(coded)) < 0.02, 96.0, 98.0)
    for counts in late.values():
        counts[coded] = codes
    noise = rng.logistic(size=n_rows)
    target = np.zeros(n_rows)
    target[np.argsort(-(risk + NOISE * noise), kind="stable")[: round(POSITIVE_SHARE * n_rows)]] = 1.0

    # Income is unknown for the old and retired rather than for the young; the ratio then is the expenses themselves.
    no_income = np.zeros(n_rows, dtype=bool)
    no_income[_exact_share(rng, 0.02 * (person["age"] - 52), INCOME_MISSING_SHARE)] = True
    debt_ratio[no_income] = np.round(expenses[no_income])
    person["income"][no_income] = np.nan
    no_dependents = _exact_share(rng, np.where(no_income, 4.0, -9.0), DEPENDENTS_MISSING_SHARE)
    person["dependents"][no_dependents] = np.nan
    return {
        TARGET: target,
        "RevolvingUtilizationOfUnsecuredLines": np.round(usage, 9),
        "age": person["age"],
        "NumberOfTime30-59DaysPastDueNotWorse": late_30,
        "DebtRatio": np.round(debt_ratio, 9),
        "MonthlyIncome": person["income"],
        "NumberOfOpenCreditLinesAndLoans": person["lines"],
        "NumberOfTimes90DaysLate": late_90,
        "NumberRealEstateLoansOrLines": person["mortgages"],
        "NumberOfTime60-89DaysPastDueNotWorse": late_60,
        "NumberOfDependents": person["dependents"],
    }


def to_csv(columns: dict[str, Column]) -> bytes:
    """Return the table in the layout of the public file: unnamed index from 1, `NA` where missing, LF line ends."""
    n_rows = len(next(iter(columns.values())))
    texts = [list(map(str, range(1, n_rows + 1))), *(_texts(values) for values in columns.values())]
    rows = map(",".join, zip(*texts, strict=True))
    return ("\n".join([",".join(["", *columns]), *rows]) + "\n").encode("ascii")


def ensure_sample(raw_dir: Path) -> bool:
    """Write the built-in table, atomically, unless `raw_dir` holds a table; return True if it was written."""
    if raw_dir.is_dir() and any(map(is_table, raw_dir.iterdir())):
        return False
    raw_dir.mkdir(parents=True, exist_ok=True)
    write_atomic(raw_dir / FILE_NAME, to_csv(generate()))
    return True


def _draw_person(rng: np.random.Generator, strain: Column) -> dict[str, Column]:
    """Return age, income, dependents, lines and mortgages."""
    n_rows = len(strain)
    age = np.clip(np.round(52 - 3.0 * strain + 14.4 * rng.standard_normal(n_rows)), 21, 103)
    log_income = 8.62 - 0.18 * strain + 0.012 * np.minimum(age - 50, 8) + 0.62 * rng.standard_normal(n_rows)
    income: Column = np.asarray(np.round(np.exp(log_income)), dtype=np.float64)
    income[rng.random(n_rows) < 0.011] = 0.0
    rich = rng.random(n_rows) < 0.0012
    income[rich] = np.round(income[rich] * (1 + rng.pareto(1.1, int(rich.sum())) * 12))
    income = np.minimum(income, 3_008_750)
    dependents = np.clip(rng.poisson(np.where((age > 26) & (age < 60), 1.05, 0.25)), 0, 20).astype(float)
    lines = np.clip(rng.negative_binomial(3.2, 3.2 / (3.2 + np.clip(6.2 + 0.055 * age, 3, 12))), 0, 58).astype(float)
    mortgages = np.minimum(rng.poisson(np.clip(0.25 + income / 8500, 0, 3) * (age > 24)), 54).astype(float)
    return {"age": age, "income": income, "dependents": dependents, "lines": lines, "mortgages": mortgages}


def _draw_usage(rng: np.random.Generator, strain: Column, age: Column) -> Column:
    """Return the balance as a share of the limits: mostly below 1, some at the limit, few absurdly large."""
    n_rows = len(strain)
    usage = 1 / (1 + np.exp(-(-1.35 + 1.35 * strain - 0.022 * (age - 50) + 1.55 * rng.standard_normal(n_rows))))
    usage = np.where(rng.random(n_rows) < 0.07, 0.0, usage)
    maxed = rng.random(n_rows) < np.clip(0.035 + 0.05 * (strain > 1.2), 0, 1)
    usage = np.where(maxed, 1 + rng.exponential(0.06, n_rows) * (rng.random(n_rows) < 0.4), usage)
    absurd = rng.random(n_rows) < 0.0016
    usage[absurd] = np.round(np.exp(6.5 + 1.4 * rng.standard_normal(int(absurd.sum()))))
    return usage


def _draw_expenses(rng: np.random.Generator, strain: Column, person: dict[str, Column]) -> tuple[Column, Column]:
    """Return monthly expenses, and their ratio to the income."""
    income, mortgages = person["income"], person["mortgages"]
    expenses = income * np.exp(
        -1.25 + 0.25 * strain + 0.22 * np.minimum(mortgages, 4) + 0.6 * rng.standard_normal(len(strain))
    )
    debt_ratio = expenses / (income + 1)
    debt_ratio[income == 0] = np.round(
        expenses[income == 0] + np.exp(6.8 + rng.standard_normal(int((income == 0).sum())))
    )
    return expenses, debt_ratio


def _risk(columns: dict[str, Column]) -> Column:
    """Return the log-odds up to a constant, with steps, valleys and interactions that a linear model cannot follow."""
    used = np.minimum(columns["usage"], 1.3)
    age, income, debt_ratio, lines = (columns[name] for name in ("age", "income", "debt_ratio", "lines"))
    mortgages, dependents = columns["mortgages"], columns["dependents"]
    late_30, late_60, late_90 = (columns[name] for name in ("late_30", "late_60", "late_90"))
    late = late_30 + late_60 + late_90
    strained = (debt_ratio > 0.45) & (debt_ratio < 2)
    risk = 1.2 * used**2 + 0.8 * (used > 0.85) + 0.5 * (used > 1) + 0.5 * (used == 0)
    risk += (
        0.9 * np.minimum(late_30, 3) ** 0.6 + np.sqrt(np.minimum(late_60, 3)) + 1.3 * np.sqrt(np.minimum(late_90, 3))
    )
    risk += 1.1 * ((late == 1) & (used > 0.5)) - 0.9 * ((late > 2) & (age > 55))
    risk -= 0.6 * ((late == 0) & (np.abs(used - 0.35) < 0.2))
    risk += 0.35 * (age < 30) - 0.9 / (1 + np.exp(-(age - 60) / 4))
    risk += 1.3 * np.abs(np.log((lines + 1) / 8)) ** 1.4
    risk += strained * np.where(income < 6500, 1.2, -0.8 * (mortgages > 0))
    risk += 0.4 * (mortgages == 0) + 0.4 * np.maximum(mortgages - 2, 0)
    risk += dependents * np.where(income < 5000, 0.15, -0.09)
    return np.asarray(risk, dtype=np.float64)


def _late_counts(rng: np.random.Generator, strain: Column, level: float, slope: float) -> Column:
    share = 1 / (1 + np.exp(-(level + slope * strain)))
    some = rng.random(len(strain)) < share
    return np.where(some, np.minimum(rng.geometric(0.68, len(strain)), 17), 0).astype(float)


def _exact_share(rng: np.random.Generator, tendency: Column, share: float) -> npt.NDArray[np.intp]:
    drawn = tendency + rng.logistic(size=len(tendency))
    return np.argsort(-drawn, kind="stable")[: round(share * len(tendency))]


def _texts(values: Column) -> list[str]:
    if np.all(np.isnan(values) | (values == np.floor(values))):
        return ["NA" if math.isnan(value) else str(int(value)) for value in values.tolist()]
    return [f"{value:.9f}".rstrip("0").rstrip(".") for value in values.tolist()]
