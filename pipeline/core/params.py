"""Every parameter of a run, typed, with its default: the panel draws its form from here, the terminal its options.

Light: pydantic only. `group` and `title` in the JSON schema order and name the fields of the form.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["binary", "multiclass", "regression"]
Estimator = Literal["hist_gradient_boosting", "gradient_boosting", "random_forest", "linear", "dummy"]
ThresholdMetric = Literal["f1", "balanced_accuracy", "accuracy", "none"]

# Ids of the problems that the parameters have with the table: a run with the same ones would be refused again.
INVALID_PARAMS_IDS: Final = ("DATA-10", "DATA-11", "DATA-12", "DATA-13", "DATA-15", "DATA-20", "DATA-21", "DATA-22")


def _field(default: Any, group: str, title: str, help: str, **limits: Any) -> Any:
    return Field(default, title=title, description=help, json_schema_extra={"group": group}, **limits)


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
    """A forest of trees."""

    n_estimators: int = Field(200, ge=1, le=2000)
    max_depth: int = Field(14, ge=1, le=64)
    min_samples_leaf: int = Field(5, ge=1)


class LinearParams(_Group):
    """Logistic regression for classes, ridge regression for numbers."""

    c: float = Field(1.0, gt=0, description="Inverse of the regularization strength")
    max_iter: int = Field(1000, ge=1)


class Params(_Group):
    """The parameters of one run. Equal parameters, data, code and seed give an equal bundle digest."""

    target: Annotated[
        str | None,
        _field(None, "Data", "Target", "The column to predict. Empty: inferred, where only one column can be meant."),
    ] = None
    task: Annotated[
        Literal["auto", "binary", "multiclass", "regression"],
        _field("auto", "Data", "Task", "Inferred from the target unless given."),
    ] = "auto"
    ignore: Annotated[
        tuple[str, ...], _field((), "Data", "Ignored columns", "Columns that the model must not see.")
    ] = ()
    test_share: Annotated[
        float, _field(0.2, "Data", "Test share", "Share of the rows kept aside for scoring.", ge=0.05, le=0.5)
    ] = 0.2
    seed: Annotated[int, _field(42, "Data", "Seed", "Fixes every random choice.", ge=0, le=2**32 - 1)] = 42

    imputation: Annotated[
        Literal["mean", "median", "most_frequent"],
        _field("median", "Preparation", "Imputation", "What a missing number becomes."),
    ] = "median"
    missing_indicator: Annotated[
        bool, _field(True, "Preparation", "Missing indicator", "Also tell the model which values were missing.")
    ] = True
    scaling: Annotated[
        Literal["standard", "robust", "min_max", "none"],
        _field("standard", "Preparation", "Scaling", "How numbers are brought to one scale."),
    ] = "standard"
    balance: Annotated[
        Literal["none", "undersample", "class_weight"],
        _field("none", "Preparation", "Balance", "What to do when one class is rare."),
    ] = "none"
    derived_features: Annotated[
        tuple[str, ...] | None,
        _field(
            None,
            "Preparation",
            "Derived features",
            "One `Name = expression` a line; names with spaces or signs go in backticks. "
            "Empty: the built-in ones where the table is the credit table.",
        ),
    ] = None

    estimator: Annotated[
        Estimator, _field("hist_gradient_boosting", "Model", "Estimator", "The kind of model that is trained.")
    ] = "hist_gradient_boosting"
    hist_gradient_boosting: HistGradientBoostingParams = HistGradientBoostingParams()
    gradient_boosting: GradientBoostingParams = GradientBoostingParams()
    random_forest: RandomForestParams = RandomForestParams()
    linear: LinearParams = LinearParams()
    threshold_metric: Annotated[
        ThresholdMetric,
        _field("f1", "Model", "Threshold metric", "What the decision threshold of a binary model is tuned for."),
    ] = "f1"
    tuning_budget_s: Annotated[
        float,
        _field(
            0.0, "Model", "Search budget, s", "Seconds spent on searching hyperparameters; 0 is off.", ge=0, le=3600
        ),
    ] = 0.0
    tuning_max_trials: Annotated[int, _field(50, "Model", "Search trials", "At most so many.", ge=1, le=1000)] = 50

    gate_rule: Annotated[
        Literal["not_worse", "better"],
        _field(
            "not_worse",
            "Gate",
            "Rule",
            "Promote a model that is not worse by more than the margin, or only one that is significantly better.",
        ),
    ] = "not_worse"
    gate_margin: Annotated[float, _field(0.002, "Gate", "Margin", "In units of the gate's metric.", ge=0, le=1)] = 0.002
    gate_confidence: Annotated[
        float, _field(0.95, "Gate", "Confidence", "Of the interval of the difference.", gt=0.5, lt=1)
    ] = 0.95
