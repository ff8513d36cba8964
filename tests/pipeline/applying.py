"""A model applied to a few files, as most tests of `apply` need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.config.recipe import ApplySettings
from simmorph.data.files.outputs import refuse_existing
from simmorph.data.ntuples.files import expand_inputs, refuse_input
from simmorph.data.ntuples.reading import STEP
from simmorph.pipeline.apply.inputs import Inputs
from simmorph.pipeline.apply.parts import Part
from simmorph.pipeline.apply.write import Models, write_part
from simmorph.progress import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simmorph.config.values.compression import Compression
    from simmorph.pipeline.apply.result import ApplyResult
    from simmorph.progress import Progress


def apply_model(
    inputs: Sequence[str],
    model: Path,
    output: Path,
    *,
    replicas: Sequence[Path] = (),
    step: int = STEP,
    progress: Progress = silent,
    compression: Compression = "zstd",
    force: bool = False,
    **settings: Any,
) -> ApplyResult:
    """Write one file of what a model makes of ntuples, with what no command offers: the size of the pieces.

    Args:
        inputs: flat ntuples, or original ones with a selection: files, globs, folders, URLs, or `-`.
        model: the model folder.
        output: the file to write.
        replicas: folders of replicas of the model, whose branches are written beside its own: `<feature>_morphed_r01`.
        step: entries read at once; no result depends on it.
        progress: called with a line for each file.
        compression: of the baskets of the output.
        force: replace an existing output.
        **settings: keys of an entry of `apply:` in a recipe, such as `selection`, `friend`, `seed`.

    """
    refuse_existing(output, force=force)
    asked = ApplySettings(input=list(inputs), output=output, **settings)
    given, models = expand_inputs(inputs, progress), Models()
    refuse_input(output, given)
    files = Inputs.of(asked, given, models.of(model), step, progress)
    part = Part(given, model, output, replicas)
    return write_part(asked, part, files, models, compression=compression, force=force, progress=progress)
