"""The problems that a run's parameters cause are known to the panel, which cannot import them."""

from pipeline.core.params import INVALID_PARAMS_IDS
from pipeline.core.problems import InvalidParamsError


def test_the_panel_knows_the_ids_when_parameters_are_refused() -> None:
    assert {kind.id for kind in InvalidParamsError.__subclasses__()} == set(INVALID_PARAMS_IDS)
