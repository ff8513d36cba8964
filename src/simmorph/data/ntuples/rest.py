"""What files hold beside the tree that is copied: further trees, and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simmorph.data.formats.registry import format_of
from simmorph.data.ntuples.contents import TREE_CLASSES, objects_in
from simmorph.data.ntuples.copying import copy_of
from simmorph.data.ntuples.files import parts_of
from simmorph.data.ntuples.opening import opened
from simmorph.data.ntuples.reading import STEP, open_tree
from simmorph.data.ntuples.servers import told
from simmorph.data.ntuples.writer import METADATA
from simmorph.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from simmorph.data.ntuples.writer import NtupleWriter

HISTOGRAMS = ("TH1", "TH2", "TH3", "TProfile")


def copy_rest(paths: Sequence[str], trees: Collection[str], ntuple: NtupleWriter) -> dict[str, str]:
    """Copy the other trees of some files, one file after the other, and the histograms of a file alone.

    Args:
        paths: the files.
        trees: those that are written otherwise.
        ntuple: where to.

    Returns:
        What is not copied, with the reason.

    Raises:
        InputError: something cannot be read.
    """
    paths = [parts_of(path)[0] for path in paths]
    found = {path: objects_in(path) for path in paths if format_of(path) is None}
    kinds = {name: kind for objects in found.values() for name, kind in objects.items()}
    left_out: dict[str, str] = {}
    for name in (it for it in kinds if it not in {*trees, METADATA}):
        having = [path for path, objects in found.items() if name in objects]
        if kinds[name] in TREE_CLASSES:
            left_out |= _copy_tree(having, name, ntuple)
        elif not kinds[name].startswith(HISTOGRAMS):
            left_out[name] = f"a {kinds[name]}"
        elif len(paths) > 1:
            left_out[name] = "a histogram, of one input only with --each"
        else:
            _copy_histogram(having[0], name, ntuple)
    return dict(sorted(left_out.items()))


def _copy_tree(paths: Sequence[str], name: str, ntuple: NtupleWriter) -> dict[str, str]:
    files = {}
    for path in paths:
        with open_tree(path, name) as tree:
            files[path] = tree.writable()
    try:
        copied = copy_of(files)
    except InputError as error:
        return {name: error.what}
    writer = ntuple.beside(name)
    for path in paths if copied.types else ():
        with open_tree(path, name) as tree:
            for start, columns in tree.iterate(copied.present(path), STEP):
                writer.extend(copied.of(path, columns, min(STEP, tree.n_entries - start)))
    return {f"{name}.{branch}": reason for branch, reason in copied.left_out.items()}


def _copy_histogram(path: str, name: str, ntuple: NtupleWriter) -> None:
    with opened(path) as file, told(path, f"histogram {name!r}"):
        ntuple.file[name] = file[name]
