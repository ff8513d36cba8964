"""Write a toy: simulated ntuples with known truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from simmorph.data.files.outputs import provenance_path, refuse_existing, whole_folder
from simmorph.data.ntuples.writing import create_ntuple
from simmorph.data.toys import TOYS
from simmorph.data.units import UNITS
from simmorph.errors import UsageError, one_of

if TYPE_CHECKING:
    from pathlib import Path

    from simmorph.config.values.compression import Compression
    from simmorph.data.toys.samples import ToySample

N_EVENTS = 200_000


@dataclass(frozen=True)
class ToyFile:
    """One file of a toy.

    Attributes:
        path: where it is.
        tree: the name of its tree.
        n_events: its number of entries.
        metadata: as in the file itself; a toy at a luminosity has `luminosity_fb` and `expected_events`.
    """

    path: str
    tree: str
    n_events: int
    metadata: dict[str, Any]


@dataclass(frozen=True)
class ToyResult:
    """What was written.

    Attributes:
        toy: its name.
        seed: what it was drawn with.
        files: each file.
    """

    toy: str
    seed: int
    files: tuple[ToyFile, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"toy": self.toy, "seed": self.seed, "files": [asdict(file) for file in self.files]}

    def to_text(self) -> str:
        """A line for each file, with the expected yield where the toy is scaled to a luminosity."""
        luminosity = self.files[0].metadata.get("luminosity_fb")
        if luminosity is None:
            return "\n".join([f"{'entries':>10}  file", *(f"{it.n_events:>10,}  {it.path}" for it in self.files)])
        header = f"{'entries':>10}  {'expected':>10}  file"
        lines = [f"{it.n_events:>10,}  {it.metadata['expected_events']:>10,.1f}  {it.path}" for it in self.files]
        return "\n".join([header, *lines, f"expected: sum of weights at a luminosity of {luminosity}/fb"])


def write_toy(  # noqa: PLR0913 - one keyword for each option of the command
    name: str,
    output: Path,
    *,
    n_events: int = N_EVENTS,
    seed: int = 1,
    compression: Compression = "zstd",
    force: bool = False,
) -> ToyResult:
    """Write all files of a toy into a folder, which appears whole or not at all.

    Args:
        name: one of TOYS.
        output: the folder.
        n_events: events in the data and in the simulation of its background.
        seed: equal seeds give equal events, in every block of 100,000.
        compression: of the baskets.
        force: replace a folder that an earlier toy has written.

    Raises:
        UsageError: there is no such toy, or the folder exists, or it holds anything but a toy.
    """
    if name not in TOYS:
        raise UsageError(name, "no such toy", one_of(name, TOYS))
    output = output.absolute()
    refuse_existing(output, force=force)
    samples = TOYS[name](n_events, seed)
    _refuse_other_content(output, samples)
    made_from = {"toy": name, "seed": seed, "events": n_events}
    with whole_folder(output, force=force) as folder:
        for sample in samples:
            _write(sample, folder / sample.file, made_from, compression)
    files = (ToyFile(str(output / it.file), it.tree, it.n_events, it.metadata) for it in samples)
    return ToyResult(name, seed, tuple(files))


def _write(sample: ToySample, path: Path, made_from: dict[str, Any], compression: Compression) -> None:
    """Write one sample block by block, with the units of its branches in the file."""
    metadata = {**sample.metadata, UNITS: dict(sample.units)}
    with create_ntuple(path, sample.tree, compression=compression, metadata=metadata, made_from=made_from) as ntuple:
        for block in sample.blocks():
            ntuple.extend(block)


def _refuse_other_content(output: Path, samples: list[ToySample]) -> None:
    """Replacing a folder must not take anything with it that the toy did not write.

    Raises:
        UsageError: the folder holds another file.
    """
    if not output.is_dir():
        return
    known = {sample.file for sample in samples}
    known |= {provenance_path(output / file).name for file in known}
    others = sorted(path.name for path in output.iterdir() if path.name not in known)
    if others:
        raise UsageError(output, f"holds other files than a toy's, such as {others[0]!r}", "choose another folder")
