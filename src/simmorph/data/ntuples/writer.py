"""Write a TTree piece by piece: baskets of a good size, counters that collide with nothing, histograms beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot

from simmorph.data.arrays import joined
from simmorph.data.ntuples.types import type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from simmorph.data.ntuples.types import Type

METADATA = "simmorph_metadata"
"""Name of the JSON text beside the tree."""
ROWS_PER_BASKET = 100_000


@dataclass
class NtupleWriter:
    """A tree being written; small pieces are gathered into baskets of some 100,000 rows.

    Attributes:
        file: the open file.
        tree: the name of the tree.
        metadata: what will be written down beside the tree; add to it at any time.
        n_rows: how many rows it has been given.
        others: further trees in the file, by name; see `beside`.
    """

    file: Any
    tree: str
    metadata: dict[str, Any]
    n_rows: int = 0
    others: dict[str, NtupleWriter] = field(default_factory=dict)
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _n_waiting: int = 0
    _written: Any = None
    _types: dict[str, Type] = field(default_factory=dict)

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Add rows: numpy arrays, or awkward arrays of one variable-length list of numbers per row.

        Raises:
            ValueError: the columns differ in length, or are not those of the first call, of its types.
        """
        arrays = {name: np.asarray(it) if not isinstance(it, ak.Array) else it for name, it in columns.items()}
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns of one length are needed, not of {sorted(lengths)}")
        types = {name: type_of(array) for name, array in arrays.items()}
        if self._written is None:
            branches = {name: _branch_type(kind) for name, kind in types.items()}
            self._written = self.file.mktree(self.tree, branches, counter_name=_counter_names(types))
            self._types = types
        self._refuse_others(types)
        rows = lengths.pop()
        self.n_rows, self._n_waiting = self.n_rows + rows, self._n_waiting + rows
        self._waiting.append(arrays)
        if self._n_waiting >= ROWS_PER_BASKET:
            self._flush()

    def _refuse_others(self, types: Mapping[str, Type]) -> None:
        """Refuse columns that a tree of those of the first call cannot hold as they are; uproot would cast them."""
        if types.keys() != self._types.keys():
            raise ValueError(f"columns {sorted(types.keys() ^ self._types.keys())} are not in every call")
        for name, kind in types.items():
            if kind != self._types[name]:
                raise ValueError(f"column {name!r} is {kind}, and was {self._types[name]} in the first call")

    @property
    def n_columns(self) -> int:
        """How many columns it has; 0 before the first call of `extend`."""
        return len(self._types)

    def beside(self, tree: str) -> NtupleWriter:
        """A further tree in the same file; without columns none is written."""
        return self.others.setdefault(tree, NtupleWriter(self.file, tree, {}))

    def add_histogram(self, name: str, title: str, labels: Sequence[str], values: Any, variances: Any) -> None:
        """Write a TH1D with one labelled bin for each value."""
        self.file[name] = _labelled_histogram(title, labels, np.asarray(values), np.asarray(variances))

    def finish(self) -> None:
        """Write what is still waiting, and the metadata."""
        if self._written is None:
            raise ValueError("no columns were given; extend with empty arrays to write an empty tree")
        for writer in (self, *self.others.values()):
            writer._flush()
        self.file[METADATA] = json.dumps(self.metadata, allow_nan=False)

    def _flush(self) -> None:
        if self._n_waiting:
            self._written.extend({name: joined([its[name] for its in self._waiting]) for name in self._waiting[0]})
        self._waiting, self._n_waiting = [], 0


def _branch_type(kind: Type) -> Any:
    return np.dtype(kind.primitive) if isinstance(kind, ak.types.NumpyType) else kind


def _counter_names(types: Iterable[str]) -> Any:
    """Names for the counters of jagged branches, `n<branch>`, that no other branch has."""
    taken = set(types)
    given: dict[str, str] = {}

    def counter_name(counted: str) -> str:
        name = given.get(counted, f"n{counted}")
        while name in taken and counted not in given:
            name = f"n_{name}"
        taken.add(name)
        return given.setdefault(counted, name)

    return counter_name


def _labelled_histogram(title: str, labels: Sequence[str], values: NDArray[Any], variances: NDArray[Any]) -> Any:
    edges = np.arange(len(labels) + 1, dtype=np.float64)
    identify = uproot.writing.identify
    axis = identify.to_TAxis(
        "xaxis", "", len(labels), 0.0, float(len(labels)),
        fLabels=identify.to_THashList(_labels(labels)),
    )  # fmt: skip
    around = np.concatenate([[0.0], values, [0.0]])
    squares = np.concatenate([[0.0], variances, [0.0]])
    middle = (edges[:-1] + edges[1:]) / 2
    return identify.to_TH1x(
        fName=None, fTitle=title, data=around, fEntries=float(len(values)), fTsumw=float(values.sum()),
        fTsumw2=float(variances.sum()), fTsumwx=float((values * middle).sum()),
        fTsumwx2=float((values * middle**2).sum()), fSumw2=squares, fXaxis=axis,
    )  # fmt: skip


def _labels(labels: Sequence[str]) -> list[Any]:
    """The labels, each with the number of its bin, by which ROOT finds them."""
    texts = [uproot.writing.identify.to_TObjString(label) for label in labels]
    for number, text in enumerate(texts, start=1):
        text._bases[0]._members["@fUniqueID"] = number
    return texts
