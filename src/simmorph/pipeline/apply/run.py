"""All that one run of apply writes: for each input on its own or for all together, by the model and its replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simmorph.data.morphed import replica_output
from simmorph.data.ntuples.files import expand_inputs
from simmorph.data.outputs import refuse_existing
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.compression import Compression
    from simmorph.config.recipe import ApplySettings
    from simmorph.pipeline.apply.result import ApplyResult
    from simmorph.pipeline.generate import GenerateResult
    from simmorph.progress import Progress


class Part(NamedTuple):
    """One file to write.

    Attributes:
        inputs: what it is made of.
        model: what makes it.
        output: where it goes.
        replicas: what makes further branches of it.
        among: all that the run was given, over which a selection sums weights.
    """

    inputs: list[str]
    model: Path
    output: Path
    replicas: Sequence[Path] = ()
    among: Sequence[str] = ()


@dataclass(frozen=True)
class Applied:
    """What was written.

    Attributes:
        results: what the model wrote, a single file or one for each input.
        replicas: the files of its replicas; their folders, where they wrote branches of the same file.
        is_each: whether each input has a file of its own.
        is_beside: whether each replica has a file of its own.
    """

    results: list[ApplyResult | GenerateResult]
    replicas: list[Path]
    is_each: bool
    is_beside: bool = True

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        found = [result.to_json() for result in self.results]
        beside = {"replicas": [str(path) for path in self.replicas]} if self.replicas else {}
        return {**({"files": found} if self.is_each else found[0]), **beside}

    def to_text(self) -> str:
        """What a person wants to know."""
        kind = "files beside it" if self.is_beside else "in branches beside its own"
        beside = [f"replicas: {len(self.replicas)} {kind}"] if self.replicas else []
        return "\n".join([*(result.to_text() for result in self.results), *beside])

    def warnings(self) -> list[str]:
        """What the user should look at."""
        return [warning for result in self.results for warning in result.warnings()]


def parts_of(
    settings: ApplySettings, model: Path, replicas: Sequence[Path] = (), note: Progress = silent
) -> list[Part]:
    """The files to write, those of the model itself first.

    Args:
        settings: an entry of the recipe's `apply:`.
        model: the model folder.
        replicas: folders of its replicas.
        note: called with a line for each input that is named twice.

    Raises:
        InputError: an input matches no file.
        UsageError: two inputs have one name, and each is to have a file of its own.
    """
    from simmorph.pipeline.apply.write import one_for_each

    given = expand_inputs(settings.input, note) if settings.input else []
    files = [(given, settings.output)]
    if settings.each:
        files = [([path], output) for path, output in one_for_each(given, settings.output)]
    own = [Part(its, model, output, replicas if settings.in_branches else (), given) for its, output in files]
    if settings.in_branches:
        return own
    others = [Part(its, each, replica_output(out, each.name), (), given) for each in replicas for its, out in files]
    return own + others


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
    parts = parts_of(settings, model, replicas, progress)
    for part in parts:
        refuse_existing(part.output, force=force)
    how: dict[str, Any] = {"compression": compression, "force": force, "progress": progress}
    results = [_written(settings, part, **how) for part in parts]
    if settings.in_branches:
        return Applied(results, list(replicas), settings.each, is_beside=False)
    n_own = len(parts) // (1 + len(replicas))
    return Applied(results[:n_own], [part.output for part in parts[n_own:]], settings.each)


def _written(settings: ApplySettings, part: Part, **how: Any) -> ApplyResult | GenerateResult:
    """What became of one file: its inputs after the model, or new events."""
    how |= {"tree": settings.tree, "seed": settings.seed}
    if settings.n_events is None:
        from simmorph.pipeline.apply.write import apply_model

        read = {"selection", "friend", "sample", "overrides", "on_bad_file", "missing_branches"}
        how |= settings.model_dump(include=read) | {"copy": settings.full_copy}
        how |= {"replicas": part.replicas, "among": part.among, "allow_empty": settings.each or settings.allow_empty}
        return apply_model(part.inputs, part.model, part.output, **how)
    from simmorph.pipeline.generate import generate_events

    return generate_events(part.model, part.output, settings.n_events, inputs=part.inputs, **how)
