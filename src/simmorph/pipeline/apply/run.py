"""All that one run of apply writes: for each input on its own or for all together, by the model and its replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simmorph.data.files.outputs import refuse_existing
from simmorph.data.ntuples.files import refuse_input
from simmorph.data.ntuples.reading import STEP
from simmorph.errors import InputError
from simmorph.pipeline.apply.parts import planned
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simmorph.config.recipe import ApplySettings
    from simmorph.config.values.compression import Compression
    from simmorph.pipeline.apply.parts import Part
    from simmorph.pipeline.apply.result import ApplyResult
    from simmorph.pipeline.generate import GenerateResult
    from simmorph.progress import Progress


@dataclass(frozen=True)
class Applied:
    """What was written.

    Attributes:
        results: what the model wrote, a single file or one for each input.
        replicas: the files of its replicas; their folders, where they wrote branches of the same file.
        is_each: whether each input has a file of its own.
        is_beside: whether each replica has a file of its own.
        skipped: inputs that cannot be used and have no file, with the reason, where each is to have one.
    """

    results: list[ApplyResult | GenerateResult]
    replicas: list[Path]
    is_each: bool
    is_beside: bool = True
    skipped: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        found = [result.to_json() for result in self.results]
        beside = {"replicas": [str(path) for path in self.replicas]} if self.replicas else {}
        return {**({"files": found, "skipped": dict(self.skipped)} if self.is_each else found[0]), **beside}

    def to_text(self) -> str:
        """What a person wants to know."""
        kind = "files beside it" if self.is_beside else "in branches beside its own"
        beside = [f"replicas: {len(self.replicas)} {kind}"] if self.replicas else []
        return "\n".join([*(result.to_text() for result in self.results), *beside])

    def warnings(self) -> list[str]:
        """What the user should look at."""
        skipped = [f"no file for {path}, which was skipped: {reason}" for path, reason in self.skipped.items()]
        return skipped + [warning for result in self.results for warning in result.warnings()]


def apply_all(  # noqa: PLR0913 - one keyword for each thing that can be asked for
    settings: ApplySettings,
    model: Path,
    *,
    replicas: Sequence[Path] = (),
    compression: Compression = "zstd",
    force: bool = False,
    progress: Progress = silent,
) -> Applied:
    """Write what the settings ask for; see `apply_model` and `generate_events`.

    Args:
        settings: an entry of the recipe's `apply:`.
        model: the model folder.
        replicas: folders of its replicas, each of which writes a file too, or branches.
        compression: of the baskets of the outputs.
        force: replace outputs that exist.
        progress: called with a line now and then.

    Raises:
        InputError: a model or an input cannot be used.
        UsageError: an output exists, which is found out before anything is written.
    """
    parts = planned(settings, model, replicas, progress)
    given = list(dict.fromkeys(path for part in parts for path in part.inputs))
    for part in parts:
        refuse_existing(part.output, force=force)
        refuse_input(part.output, given)
    how: dict[str, Any] = {"compression": compression, "force": force, "progress": progress}
    skipped: dict[str, str] = {}
    results = _drawn(settings, parts, how) if settings.n_events else _morphed(settings, parts, given, skipped, how)
    of_model = [result for part, result in zip(parts, results, strict=True) if result and part.model == model]
    if settings.in_branches:
        return Applied(of_model, list(replicas), settings.each, False, skipped)
    beside = [part.output for part, result in zip(parts, results, strict=True) if result and part.model != model]
    return Applied(of_model, beside, settings.each, True, skipped)


def _drawn(settings: ApplySettings, parts: Sequence[Part], how: Mapping[str, Any]) -> list[GenerateResult]:
    """New events."""
    from simmorph.pipeline.generate import generate_events

    how = {**how, "tree": settings.tree, "seed": settings.seed}
    n_events = settings.n_events or 0
    return [generate_events(part.model, part.output, n_events, inputs=part.inputs, **how) for part in parts]


def _morphed(
    settings: ApplySettings, parts: Sequence[Part], given: list[str], skipped: dict[str, str], how: Mapping[str, Any]
) -> list[ApplyResult | None]:
    """What became of each part: its inputs after the model; None where each input has a file and this one is bad.

    Args:
        settings: an entry of the recipe's `apply:`.
        parts: the files to write.
        given: all that they are made of.
        skipped: gets the inputs without a file, with the reason.
        how: they are written.

    Raises:
        InputError: a model or an input cannot be used.
    """
    from simmorph.pipeline.apply.inputs import Inputs
    from simmorph.pipeline.apply.write import Models, write_part

    models = Models()
    files = Inputs.of(settings, given, models.of(parts[0].model), STEP, how["progress"])
    results: list[ApplyResult | None] = []
    for part in parts:
        try:
            results.append(write_part(settings, part, files, models, **how))
        except InputError:
            if not (settings.each and files.skipped(part.inputs)):
                raise
            results.append(None)
    skipped |= files.bad.skipped if settings.each else {}
    files.bad.refuse_none_left(settings.output, given)
    return results
