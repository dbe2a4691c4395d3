"""The parameters of a run, with types and defaults; the panel's form and the CLI's options are made from them.

Light: pydantic only. `group` and `title` in the JSON schema order and name the fields of the form.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["binary", "multiclass", "regression"]
Estimator = Literal["hist_gradient_boosting", "gradient_boosting", "random_forest", "linear", "dummy"]
ThresholdMetric = Literal["f1", "balanced_accuracy", "accuracy", "none"]

# Ids of problems that the parameters cause with this table: a run with the same ones would fail again.
INVALID_PARAMS_IDS: Final = (
    "DATA-10",
    "DATA-11",
    "DATA-12",
    "DATA-13",
    "DATA-15",
    "DATA-20",
    "DATA-21",
    "DATA-22",
    "DATA-26",
)

# Ids and values whose title is not just their words.
_TITLES: Final = {
    "hist_gradient_boosting": "Histogram gradient boosting",
    "linear": "Linear model",
    "dummy": "Constant baseline",
    "f1": "F1",
    "min_max": "Min–max",
}


def choice_title(value: str) -> str:
    """Return the value of a choice, such as an estimator, as pages and logs show it."""
    return _TITLES.get(value) or value.replace("_", " ").capitalize()


def _field(group: str, title: str, help: str, **limits: Any) -> Any:
    return Field(title=title, description=help, json_schema_extra={"group": group}, **limits)


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HistGradientBoostingParams(_Group):
    """Histogram gradient boosting: the default, fast and strong on tables."""

    learning_rate: float = Field(0.06, gt=0, le=1)
    max_iter: int = Field(300, ge=1, le=5000)
    max_leaf_nodes: int = Field(20, ge=2, le=1024)
    min_samples_leaf: int = Field(60, ge=1)
    l2_regularization: float = Field(1.0, ge=0)
    n_iter_no_change: int = Field(15, ge=1)


class GradientBoostingParams(_Group):
    """Gradient boosting with the settings of the stack that this project replaces."""

    n_estimators: int = Field(1000, ge=1, le=10000)
    learning_rate: float = Field(0.01, gt=0, le=1)
    max_depth: int = Field(4, ge=1, le=32)
    n_iter_no_change: int = Field(10, ge=1)


class RandomForestParams(_Group):
    """Random forest."""

    n_estimators: int = Field(200, ge=1, le=2000)
    max_depth: int = Field(14, ge=1, le=64)
    min_samples_leaf: int = Field(5, ge=1)


class LinearParams(_Group):
    """Logistic regression for classes, ridge regression for numbers."""

    c: float = Field(1.0, gt=0, description="Inverse of the regularization strength")
    max_iter: int = Field(1000, ge=1)


class ColumnOptions(_Group):
    """What a person decided about one column of the table; the rest is decided from its values.

    `missing` are words of the column that mean nothing; `kept` are usual words for nothing that are values in it, such as
    NA for Namibia.
    """

    kind: Literal["auto", "numeric", "categorical", "date", "text"] = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    date_order: Literal["auto", "ymd", "dmy", "mdy"] = "auto"
    missing: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Params(_Group):
    """The parameters of one run. Equal parameters, data, code and seed give an equal bundle digest."""

    target: Annotated[
        str | None,
        _field("Data", "Target", "Column to predict. Empty: inferred, if only one column has a common target name."),
    ] = None
    task: Annotated[
        Literal["auto", "binary", "multiclass", "regression"],
        _field("Data", "Task", "Auto: inferred from the target."),
    ] = "auto"
    sheet: Annotated[str | None, _field("Data", "Sheet", "Of a workbook. Empty: the only one that is filled.")] = None
    ignore: Annotated[tuple[str, ...], _field("Data", "Ignored columns", "Columns that the model must not use.")] = ()
    columns: Annotated[
        dict[str, ColumnOptions],
        _field("Data", "Columns", "How columns are read, where the Data page or you decided it."),
    ] = {}
    test_share: Annotated[
        float, _field("Data", "Test share", "Share of the rows held out for evaluation.", ge=0.05, le=0.5)
    ] = 0.2
    seed: Annotated[int, _field("Data", "Seed", "Seed of all random numbers.", ge=0, le=2**32 - 1)] = 42

    imputation: Annotated[
        Literal["mean", "median", "most_frequent"],
        _field("Preparation", "Imputation", "Replacement for missing numbers."),
    ] = "median"
    missing_indicator: Annotated[
        bool, _field("Preparation", "Missing indicator", "Add a feature that marks missing values.")
    ] = True
    scaling: Annotated[
        Literal["standard", "robust", "min_max", "none"],
        _field("Preparation", "Scaling", "Method for scaling numeric features."),
    ] = "standard"
    balance: Annotated[
        Literal["none", "undersample", "class_weight"],
        _field("Preparation", "Balance", "Treatment of imbalanced classes."),
    ] = "none"
    derived_features: Annotated[
        tuple[str, ...] | None,
        _field(
            "Preparation",
            "Derived features",
            "One “Name = expression” per line; put names with spaces or symbols in backticks. "
            "Empty: the built-in ones, for the credit table.",
        ),
    ] = None

    estimator: Annotated[Estimator, _field("Model", "Estimator", "Type of model to train.")] = "hist_gradient_boosting"
    hist_gradient_boosting: HistGradientBoostingParams = HistGradientBoostingParams()
    gradient_boosting: GradientBoostingParams = GradientBoostingParams()
    random_forest: RandomForestParams = RandomForestParams()
    linear: LinearParams = LinearParams()
    threshold_metric: Annotated[
        ThresholdMetric,
        _field("Model", "Threshold metric", "Metric that the decision threshold of a binary model maximizes."),
    ] = "f1"
    tuning_budget_s: Annotated[
        float,
        _field("Model", "Tuning time limit (s)", "For the hyperparameter search; 0 turns it off.", ge=0, le=3600),
    ] = 0.0
    tuning_max_trials: Annotated[int, _field("Model", "Tuning trials", "Maximum number of trials.", ge=1, le=1000)] = 50

    gate_rule: Annotated[
        Literal["not_worse", "better"],
        _field(
            "Gate",
            "Rule",
            "Promote a model that is not worse by more than the margin, or only one that is significantly better.",
        ),
    ] = "not_worse"
    gate_margin: Annotated[float, _field("Gate", "Margin", "In units of the gate metric.", ge=0, le=1)] = 0.002
    gate_confidence: Annotated[
        float, _field("Gate", "Confidence", "Confidence level of the comparison.", gt=0.5, lt=1)
    ] = 0.95
