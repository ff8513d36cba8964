"""Files read through a selection, in one way for every command: what is data, and which weights and files are bad."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import numpy as np

from simmorph.data.files.spool import spooled
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.data.ntuples.types import as_types, type_of
from simmorph.data.selection.normalisation import Samples
from simmorph.data.units import agreed, read_units
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from simmorph.data.events import FloatArray
    from simmorph.data.formats.table import Table
    from simmorph.data.ntuples.types import Type
    from simmorph.data.selection.normalisation import Normalisation
    from simmorph.data.selection.selector import Chosen, Selector
    from simmorph.data.selection.weights import SampleKind
    from simmorph.progress import Progress

Piece = TypeVar("Piece")
OnBadFile = Literal["fail", "skip"]


@dataclass(frozen=True)
class SelectionReader:
    """A selection, and how files are read through it.

    Attributes:
        selector: the selection.
        tree: the tree to read.
        sample: what all files hold: a sample of the selection, or data or simulation; `auto` asks the selection.
        step: entries read at once; no result depends on it.
        types: of the branches, in all files; as they are in each file, if nothing is said.
        normalisations: of simulated samples by name; see `normalised`.
    """

    selector: Selector
    tree: str
    sample: str = "auto"
    step: int = STEP
    types: Mapping[str, Type] = field(default_factory=dict)
    normalisations: Mapping[str, Normalisation] = field(default_factory=dict)

    @property
    def samples(self) -> Samples:
        """Which sample each file is of."""
        return Samples(self.selector.selection, self.sample)

    def normalised(self, paths: Sequence[str], bad: BadFiles) -> tuple[SelectionReader, list[str]]:
        """A reader that knows the sums of weights over these files, and those of the files that can be used.

        Raises:
            InputError: a file is of no sample, or a sum cannot be read.
        """
        used = bad.usable(paths, self.samples.look) if bad.on_bad_file == "skip" else list(paths)
        bad.refuse_none_left("the selection", paths)
        reader = replace(self, normalisations=self.samples.normalisations(used))
        for name, its in reader.normalisations.items():
            bad.progress(f"{name}: {its.described()}")
        bad.needed = lambda path: self.samples.of(path) in reader.normalisations
        return reader, used

    def chunks(self, path: str) -> Iterator[tuple[int, Chosen]]:
        """The first entry of each chunk of a file, and what is selected of it.

        Raises:
            InputError: the file cannot be read, a branch is not what the selection takes it for, a weight is not
                finite, or every weight is 0, which is known at the end of the file only.
        """
        total = np.zeros(3)
        with open_tree(path, self.tree) as tree:
            sample, scale = self._taken_for(path, tree)
            selector = self.selector.of_file(path, self.tree, tree.branches, sample, self.types)
            agreed({"the selection": selector.units_read(), path: read_units(path)})
            for start, columns in tree.iterate(selector.branches(sample), self.step):
                types = {name: self.types.get(name) or type_of(column) for name, column in columns.items()}
                n_events = min(self.step, tree.n_entries - start)
                try:
                    known, first = as_types(columns, types), start == 0
                    chosen = selector.run(known, sample, scale=scale, check_unit=first, n_events=n_events)
                except InputError as error:
                    raise InputError(f"{path}, entries from {start}: {error.where}", error.what, error.mend) from error
                total += chosen.cutflow[0]
                yield start, chosen
        _refuse_zero_weights(path, total)

    def types_in(self, path: str) -> dict[str, Type]:
        """Of what type the branches that are read of a file are.

        Raises:
            InputError: the file cannot be read, or lacks a branch.
        """
        with open_tree(path, self.tree) as tree:
            return self.types_of(path, tree)

    def types_of(self, path: str, tree: Table) -> dict[str, Type]:
        """The same of a file that is open."""
        sample, _ = self._taken_for(path, tree)
        selector = self.selector.of_file(path, self.tree, tree.branches, sample)
        return tree.types(selector.branches(sample))

    def _taken_for(self, path: str, tree: Table) -> tuple[SampleKind, float]:
        """What the events of a file are taken for, and the factor on their weights."""
        name = self.samples.of(path)
        if name is None:
            return self.selector.sample_of(tree.branches, cast("SampleKind", self.sample)), 1.0
        kind = self.selector.selection.samples[name].kind
        return kind, self.normalisations[name].factor if kind == "simulation" else 1.0


def _refuse_zero_weights(path: str, total: FloatArray) -> None:
    events, _, squares = total
    if events and not squares:
        mend = "if this is real data, add --sample data; otherwise mend `weight:` of the selection"
        raise InputError(path, "every event has weight 0", mend)


@dataclass
class BadFiles:
    """What becomes of files that cannot be used.

    Attributes:
        on_bad_file: whether to stop at one, or to leave it out.
        progress: called with a line for each file left out.
        skipped: the files left out, each with the reason.
        needed: whether a file cannot be left out, since a normalisation counts its events.
    """

    on_bad_file: OnBadFile
    progress: Progress
    skipped: dict[str, str] = field(default_factory=dict)
    needed: Callable[[str], bool] = lambda path: False  # noqa: ARG005

    def usable(self, paths: Sequence[str], look: Callable[[str], object]) -> list[str]:
        """The files of which a first look says nothing bad."""
        for path in paths:
            with self._skipping(path):
                look(path)
        return [path for path in paths if path not in self.skipped]

    def whole(self, path: str, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The pieces of a file; where bad files are left out none before the last is read, and of a bad one none."""
        if self.on_bad_file == "fail":
            yield from pieces
            return
        with self._skipping(path):
            yield from spooled(pieces)

    @contextlib.contextmanager
    def _skipping(self, path: str) -> Iterator[None]:
        """Leave a file out that turns out to be bad, where that is asked for and possible."""
        try:
            yield
        except InputError as error:
            if self.on_bad_file == "fail":
                raise
            if self.needed(path):
                mend = "its events are in the sum of weights; leave it out of the inputs"
                raise InputError(error.where, error.what, mend) from error
            self.skipped[path] = str(error)
            self.progress(f"skipped {error}")

    def refuse_none_left(self, output: object, paths: Collection[str]) -> None:
        """Stop where no file is left.

        Raises:
            InputError: every one of these files was left out.
        """
        if self.skipped.keys() >= set(paths):
            raise InputError(output, f"none of {len(paths)} files can be used", next(iter(self.skipped.values())))
