"""Parts of sentences: a counted noun, a list of names, a title inside a sentence."""

from pipeline.core.sentences import listed, lower_first, plural


def test_noun_agrees_when_counted() -> None:
    assert [plural(n, "run") for n in (0, 1, 1200)] == ["0 runs", "1 run", "1,200 runs"]
    assert plural(2, "entry", "entries") == "2 entries"


def test_names_are_cut_when_there_are_too_many() -> None:
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_title_begins_small_when_it_stands_inside_a_sentence() -> None:
    assert lower_first("Random forest") == "random forest"
