"""Writes the preparation graph: raw columns in, prepared float32 columns out.

Its steps: infinite values become missing; derived features from the raw values; imputation; scaling; missing
indicators; encoding of categories; words of texts. Derived features and scaling are computed in float64 inside, which makes them equal to
scikit-learn's to the last bit of float32, and a row's answer independent of the rows that come with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.core.cells import FLOAT32_MAX
from pipeline.core.manifest import CATEGORICAL_INPUT, NUMERIC_INPUT, PREPARED_OUTPUT
from pipeline.features.date_graph import DateFit, add_dates, difference_names
from pipeline.features.expressions import Derived, compile_tree
from pipeline.features.fitting import NumberFit, TextFit
from pipeline.features.processed_dataset import TARGET_COLUMN, VALIDATION_COLUMN

OPSET: Final = 21
ML_OPSET: Final = 3
IR_VERSION: Final = 10


@dataclass(frozen=True)
class WordFit:
    """The words of a text column that the model looks for. `place` is the column's position in the graph's text input."""

    name: str
    place: int
    words: list[str]

    @property
    def count_name(self) -> str:
        """Return the name of the output column with the number of words."""
        return f"{self.name} (words)"


@dataclass(frozen=True)
class Prepared:
    """A finished graph: its bytes, the names of its output columns, and the raw columns that each is made from."""

    model: bytes
    outputs: list[str]
    sources: dict[str, list[str]]


def derived_graph(n_numeric: int, position: dict[str, int], derived: Sequence[Derived]) -> bytes:
    """Return the graph `numeric` [n, n_numeric] -> `prepared` [n, derived features], NaN where missing, to fit them."""
    writer = _Writer()
    writer.node_to(PREPARED_OUTPUT, "Identity", writer.joined(writer.derived(writer.cleaned(), position, derived)))
    return writer.serialized(n_numeric, 0, len(derived))


def date_graph(fits: Sequence[DateFit], n_texts: int) -> bytes:
    """Return the graph `categorical` [n, n_texts] -> `prepared` [n, features of the dates], NaN where missing, to fit them."""
    writer = _Writer()
    writer.node_to(PREPARED_OUTPUT, "Identity", writer.joined(add_dates(writer, fits)))
    return writer.serialized(0, n_texts, sum(len(fit.outputs) for fit in fits) + len(difference_names(fits)))


def prepare_graph(
    numeric: Sequence[str],
    derived: Sequence[Derived],
    numbers: NumberFit,
    texts: Sequence[TextFit],
    *,
    dates: Sequence[DateFit] = (),
    words: Sequence[WordFit] = (),
) -> Prepared:
    """Return the whole graph over the columns `numeric` and those of `texts`, `dates` and `words`, each at its place in its
    input.
    """
    writer, blocks = _Writer(), []
    sources: list[tuple[str, list[str]]] = []
    parts: list[str] = []
    if numeric:
        clean = writer.cleaned()
        parts = [clean, *writer.derived(clean, {name: i for i, name in enumerate(numeric)}, derived)]
        sources += [(name, [name]) for name in numeric] + [(feature.name, list(feature.columns)) for feature in derived]
    parts += add_dates(writer, dates)
    sources += [(name, [fit.name]) for fit in dates for name in fit.outputs] + difference_names(dates)
    split = [writer.split(writer.flat(writer.columns(CATEGORICAL_INPUT, [fit.place])), " ") for fit in words]
    parts += [writer.word_count(counts) for _, counts in split]
    sources += [(fit.count_name, [fit.name]) for fit in words]
    if parts:
        values = writer.joined(parts)
        missing = writer.node("IsNaN", values)
        filled = writer.node("Where", missing, writer.tensor(numbers.fill.reshape(1, -1)), values)
        blocks.append(writer.scaled(filled, numbers))
        if numbers.indicated:
            blocks.append(writer.cast(writer.columns(missing, numbers.indicated), TensorProto.FLOAT))
            indicated = [sources[i] for i in numbers.indicated]
            sources += [(f"{raw[0]} (missing)", raw) for _, raw in indicated]
    for text in texts:
        blocks.append(writer.encoded(text.place, text))
        names = [f"{text.name} = {known or '(missing)'}" for known in text.known] if text.one_hot else [text.name]
        sources += [(name, [text.name]) for name in names]
    for fit, (tokens, _) in zip(words, split, strict=True):
        if fit.words:
            blocks.append(writer.words(tokens, fit.words))
            sources += [(f"{fit.name}: {word}", [fit.name]) for word in fit.words]
    writer.node_to(PREPARED_OUTPUT, "Identity", writer.joined(blocks))
    outputs = _distinct([name for name, _ in sources])
    model = writer.serialized(len(numeric), len(texts) + len(dates) + len(words), len(outputs))
    return Prepared(model, outputs, {name: raw for name, (_, raw) in zip(outputs, sources, strict=True)})


@dataclass
class _Writer:
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    constants: dict[str, str] = field(default_factory=dict)

    def node(self, kind: str, *inputs: str) -> str:
        return self._add(kind, inputs)

    def node_to(self, output: str, kind: str, *inputs: str) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output]))

    def matches(self, text: str, pattern: str) -> str:
        return self._add("RegexFullMatch", [text], pattern=pattern)

    def split(self, text: str, delimiter: str) -> tuple[str, str]:
        output = f"prepare_{len(self.nodes)}"
        node = helper.make_node("StringSplit", [text], [output, f"{output}_counts"], delimiter=delimiter)
        self.nodes.append(node)
        return output, f"{output}_counts"

    def flat(self, column: str) -> str:
        return self.node("Squeeze", column, self.tensor(np.array([1], dtype=np.int64)))

    def cast(self, name: str, to: int) -> str:
        return self._add("Cast", [name], to=to)

    def columns(self, name: str, positions: Sequence[int]) -> str:
        return self._add("Gather", [name, self.tensor(np.array(positions, dtype=np.int64))], axis=1)

    def joined(self, names: Sequence[str]) -> str:
        return names[0] if len(names) == 1 else self._add("Concat", names, axis=1)

    def tensor(self, values: npt.NDArray[np.generic]) -> str:
        name = f"prepare_constant_{len(self.tensors)}"
        # Not ascontiguousarray, which makes a vector of a scalar.
        self.tensors.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def constant(self, value: float) -> str:
        key = repr(value)
        if key not in self.constants:
            self.constants[key] = self.tensor(np.array([[value]], dtype=np.float64))
        return self.constants[key]

    def cleaned(self) -> str:
        """Add the numeric input with infinite values made missing."""
        return self._finite(NUMERIC_INPUT)

    def derived(self, clean: str, position: dict[str, int], derived: Sequence[Derived]) -> list[str]:
        """Add the derived features, float32 [n, 1] each."""
        used = dict.fromkeys(column for feature in derived for column in feature.columns)
        wide = {c: self.cast(self.columns(clean, [position[c]]), TensorProto.DOUBLE) for c in used}
        return [
            self._finite(self.cast(compile_tree(feature.tree, wide, self), TensorProto.FLOAT)) for feature in derived
        ]

    def scaled(self, name: str, fit: NumberFit) -> str:
        """Add the scaling, in float64, clipped to the range of float32."""
        if fit.form == "none":
            return name
        kinds = ("Sub", "Div") if fit.form == "subtract_divide" else ("Mul", "Add")
        wide = self.cast(name, TensorProto.DOUBLE)
        first = self.node(kinds[0], wide, self.tensor(fit.first.reshape(1, -1)))
        scaled = self.node(kinds[1], first, self.tensor(fit.second.reshape(1, -1)))
        low, high = (self.tensor(np.array(limit, dtype=np.float64)) for limit in (-FLOAT32_MAX, FLOAT32_MAX))
        return self.cast(self.node("Clip", scaled, low, high), TensorProto.FLOAT)

    def encoded(self, position: int, fit: TextFit) -> str:
        """Add one-hot columns (all 0 for an unknown category), or one column with the rank of the category (-1)."""
        texts = self.columns(CATEGORICAL_INPUT, [position])
        ranks = [float(i) for i in range(len(fit.known))]
        code = self._add(
            "LabelEncoder",
            [texts],
            domain="ai.onnx.ml",
            keys_strings=fit.known,
            values_floats=ranks,
            default_float=-1.0,
        )
        if not fit.one_hot:
            return code
        indicators = self.node("Equal", code, self.tensor(np.array([ranks], dtype=np.float32)))
        return self.cast(indicators, TensorProto.FLOAT)

    def word_count(self, counts: str) -> str:
        """Add the numbers of words, float32 [n, 1], NaN where there is none, since the text is missing."""
        column = self.node("Unsqueeze", counts, self.tensor(np.array([1], dtype=np.int64)))
        none = self.node("Equal", column, self.tensor(np.array([[0]], dtype=np.int64)))
        nan = self.tensor(np.array([[np.nan]], dtype=np.float32))
        return self.node("Where", none, nan, self.cast(column, TensorProto.FLOAT))

    def words(self, tokens: str, words: Sequence[str]) -> str:
        """Add for each word whether it is among the tokens [n, any], float32 [n, words] of 0 and 1."""
        return self._add(
            "TfIdfVectorizer",
            [tokens],
            mode="IDF",  # with these weights: whether it occurs
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=list(range(len(words))),
            pool_strings=list(words),
            weights=[1.0] * len(words),
        )

    def serialized(self, n_numeric: int, n_categorical: int, n_outputs: int) -> bytes:
        """Return the graph's bytes, equal for equal graphs."""
        inputs = []
        if n_numeric:
            inputs.append(helper.make_tensor_value_info(NUMERIC_INPUT, TensorProto.FLOAT, [None, n_numeric]))
        if n_categorical:
            inputs.append(helper.make_tensor_value_info(CATEGORICAL_INPUT, TensorProto.STRING, [None, n_categorical]))
        output = helper.make_tensor_value_info(PREPARED_OUTPUT, TensorProto.FLOAT, [None, n_outputs])
        graph = helper.make_graph(self.nodes, "prepare", inputs, [output], self.tensors)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized

    def _finite(self, name: str) -> str:
        nan = self.tensor(np.array([[np.nan]], dtype=np.float32))
        return self.node("Where", self.node("IsInf", name), nan, name)

    def _add(self, kind: str, inputs: Sequence[str], domain: str = "", **attributes: object) -> str:
        output = f"prepare_{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [output], domain=domain)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return output


def _distinct(names: list[str]) -> list[str]:
    """Return the names, with a number after each that another column has already."""
    seen = {TARGET_COLUMN, VALIDATION_COLUMN}
    for i, name in enumerate(names):
        chosen, number = name, 2
        while chosen in seen:
            chosen, number = f"{name} ({number})", number + 1
        seen.add(chosen)
        names[i] = chosen
    return names
