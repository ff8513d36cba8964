"""Selections: shipped ones are valid, and a mistake in one's own is named with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simmorph.config.selection.files import read_selection, shipped_selections
from simmorph.config.selection.selection import RESERVED, Selection
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# pairs of photons
tree: mini
units: {energy: MeV}
energies: [met_et]
objects:
  photon:
    branches: {pt: photon_pt, eta: photon_eta}
    energies: [pt]
    cuts: [pt > 25]
    order_by: pt
variables: {lead: "photon_pt[0]", met: met_et}
cuts: {two photons: n_photon == 2}
regions: {central: "abs(photon_eta[0]) < 1.37"}
weight: {simulation: mcWeight, data: 1, data_if_missing: mcWeight}
"""


def read(folder: Path, text: str = TEXT) -> Selection:
    """The selection with this text."""
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_selection(str(path))[0]


def refusal(folder: Path, old: str, new: str) -> str:
    """What is said about the text with one part changed."""
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        read(folder, TEXT.replace(old, new))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", sorted(shipped_selections()))
def test_every_shipped_selection_is_found_by_its_name(name: str) -> None:
    selection, document = read_selection(name)
    assert selection.variables
    assert document.name == str(shipped_selections()[name])


def test_a_selection_is_read_with_its_defaults(tmp_path: Path) -> None:
    selection = read(tmp_path)
    assert selection.objects["photon"].order_by == "pt"
    assert (selection.weight.simulation, selection.weight.data, selection.weight.data_if) == ("mcWeight", "1", None)
    assert (selection.run, selection.event) == (None, None)


def test_a_selection_survives_writing_and_reading(tmp_path: Path) -> None:
    selection = read(tmp_path)
    assert Selection.model_validate_json(selection.model_dump_json()) == selection


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("energy: MeV", "energy: TeV", "mine.yaml:3: units.energy: should be 'MeV' or 'GeV', not 'TeV'"),
        ("units: {energy: MeV}\n", "", "mine.yaml:2: key 'units' is missing; add `units:`"),
        ("energies: [pt]", "energies: [e]", "mine.yaml:6: objects.photon: 'e' is not one of its branches; it has 'pt'"),
        ("order_by: pt", "order_by: phi", "mine.yaml:6: objects.photon: 'phi' is not one of its properties; "),
        (
            "order_by: pt",
            "order-by: pt",
            ":10: unknown key 'objects.photon.order-by'; did you mean 'order_by'?",
        ),
        ("{lead:", "{2nd:", "'2nd' is not a name: letters, digits and underscores are"),
        ("{lead:", "{in_central:", "variable 'in_central' has the name of another output branch"),
        ("{central:", "{'central region':", "'central region' is not a name: letters, digits and underscores are"),
        ("cuts: [pt > 25]", "cuts: ['']", "mine.yaml:9: objects.photon.cuts.0: "),
        (
            "branches: {pt: photon_pt, eta: photon_eta}",
            "branches: {}",
            "photon: an object has either branches or `pairs_of`",
        ),
        ("variables:", "variabels:", "mine.yaml:11: unknown key 'variabels'; did you mean 'variables'?"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert says in refusal(tmp_path, old, new)


@pytest.mark.parametrize("name", RESERVED)
def test_a_variable_takes_no_name_that_every_output_has(tmp_path: Path, name: str) -> None:
    says = refusal(tmp_path, "{lead:", f"{{{name}:")
    assert says == f"mine.yaml:2: variable {name!r} has the name of another output branch"


def test_a_name_that_is_none_brings_the_likest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        read_selection("diphoton-dem")
    says = str(caught.value)
    assert says.startswith("diphoton-dem: there is no selection of this name; did you mean 'diphoton-demo'? it has ")
    assert says.endswith("; or name a YAML file")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file or directory; name an existing YAML file"):
        read_selection(str(tmp_path / "none.yaml"))
