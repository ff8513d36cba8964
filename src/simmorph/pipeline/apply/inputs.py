"""What one run of apply reads, looked at once, whatever is written of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from simmorph.config.selection.files import read_selection
from simmorph.data.expressions.expression import weight_expression
from simmorph.data.selection.reading import BadFiles, SelectionReader
from simmorph.data.selection.selector import Selector
from simmorph.errors import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simmorph.config.recipe import ApplySettings
    from simmorph.model import Model
    from simmorph.pipeline.apply.job import Job, Looked
    from simmorph.progress import Progress


@dataclass(frozen=True)
class Inputs:
    """The files of a run, and what a first look at each says.

    Attributes:
        given: all of them, over which a selection sums weights.
        tree: the tree to read.
        reader: makes events of original ntuples by a selection; None for flat ones.
        bad: what becomes of files that cannot be used.
        step: entries read at once.
        looked: what is known of those that can be used, as far as they were looked at.
    """

    given: list[str]
    tree: str
    reader: SelectionReader | None
    bad: BadFiles
    step: int
    looked: dict[str, Looked] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: ApplySettings, given: list[str], model: Model, step: int, progress: Progress) -> Self:
        """The files that the settings name, for a model.

        Raises:
            ConfigError: the selection is wrong, or does not make what the model needs.
            InputError: a file is of no sample, or a sum of weights cannot be read.
        """
        bad = BadFiles(settings.on_bad_file, progress)
        if settings.selection is None:
            return cls(given, settings.tree or model.card.learning.tree, None, bad, step)
        selector, tree = _selector(model, settings)
        reader, _ = SelectionReader(selector, tree, settings.sample, step).normalised(given, bad)
        return cls(given, tree, reader, bad, step)

    def usable(self, paths: Sequence[str], job: Job, *, copy: bool) -> dict[str, Looked]:
        """What is known of those of some files that can be used.

        Args:
            paths: the files.
            job: what looks at each of them that was not looked at before.
            copy: whether they are to be copied.

        Raises:
            InputError: a file cannot be used, and is not to be left out.
        """
        new = [path for path in paths if path not in self.looked and path not in self.bad.skipped]
        self.bad.usable(new, lambda path: self.looked.setdefault(path, job.look(path, copy=copy)))
        return {path: self.looked[path] for path in paths if path not in self.bad.skipped}

    def skipped(self, paths: Sequence[str]) -> dict[str, str]:
        """Those of some files that are left out, with the reason."""
        return {path: reason for path, reason in self.bad.skipped.items() if path in paths}


def _selector(model: Model, settings: ApplySettings) -> tuple[Selector, str]:
    """What makes events of original ntuples, and the tree to read from them.

    Raises:
        ConfigError: the selection is wrong, or does not make what the model needs.
    """
    selection, document = read_selection(settings.selection or "", settings.overrides)
    known = {*selection.variables, *(f"in_{name}" for name in selection.regions), "weight"}
    for name in [*model.variables, *sorted(weight_expression(model.weight, known).names)]:
        if name not in known:
            what = f"this selection makes no {name!r}, which the model needs"
            raise ConfigError(settings.selection, what, one_of(name, known))
    nominal = selection.model_copy(update={"variations": {}})
    return Selector.of(nominal, document), settings.tree or selection.tree
