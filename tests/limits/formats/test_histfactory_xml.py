"""HistFactory XML, against pyhf's own writer and reader."""

from __future__ import annotations

import re
import warnings
from functools import reduce
from typing import TYPE_CHECKING, Any

import boost_histogram as bh
import numpy as np
import pyhf.readxml
import pyhf.writexml
import pytest
import uproot

from simmorph.errors import InputError
from simmorph.limits.formats.reading import read_model
from tests.limits.model.test_random_models import random_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMBINATION = """<!DOCTYPE Combination SYSTEM "HistFactorySchema.dtd">
<Combination OutputFilePrefix="./results/it">
  <Input>./config/channel.xml</Input>
  <Measurement Name="meas" Lumi="2." LumiRelErr="0.1" ExportOnly="True">
    <POI>mu</POI>
    <ParamSetting Const="True">alpha_size</ParamSetting>
  </Measurement>
</Combination>
"""
CHANNEL = """<!DOCTYPE Channel SYSTEM "HistFactorySchema.dtd">
<Channel Name="region" InputFile="./data/input.root" HistoPath="nominal">
  <Data HistoName="data"/>
  <StatErrorConfig RelErrorThreshold="0.0" ConstraintType="Gaussian"/>
  <Sample Name="signal" HistoName="signal" NormalizeByTheory="True">
    <NormFactor Name="mu" Val="1" Low="0" High="3"/>
    <OverallSys Name="size" High="1.1" Low="0.9"/>
  </Sample>
  <Sample Name="background" HistoName="background" NormalizeByTheory="False">
    <StatError Activate="True"/>
    <HistoSys Name="energy" HistoNameHigh="up" HistoNameLow="down" HistoPathLow="other"/>
    <ShapeSys Name="bins" HistoName="sizes" ConstraintType="Poisson"/>
  </Sample>
</Channel>
"""
HISTOGRAMS = {
    "nominal/data": [55.0, 62.0],
    "nominal/signal": [5.0, 10.0],
    "signal": [1.0, 1.0],
    "nominal/up": [55.0, 54.0],
    "other/down": [46.0, 51.0],
    "nominal/sizes": [0.1, 0.2],
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes the combination, with other words in place of some, and returns its path."""

    def write(*replaced: tuple[str, str]) -> Path:
        for folder in ("config", "data"):
            (tmp_path / folder).mkdir(exist_ok=True)
        texts = {"config/channel.xml": CHANNEL, "config/top.xml": COMBINATION}
        for name, text in texts.items():
            (tmp_path / name).write_text(reduce(lambda it, pair: it.replace(*pair), replaced, text))
        with uproot.recreate(tmp_path / "data" / "input.root") as file:
            for name, values in HISTOGRAMS.items():
                file[name] = (np.array(values), np.arange(3.0))
            weighted = bh.Histogram(bh.axis.Regular(2, 0, 2), storage=bh.storage.Weight())
            weighted[...] = np.array([[50.0, 9.0], [52.0, 16.0]])
            file["nominal/background"] = weighted
        return tmp_path / "config" / "top.xml"

    return write


@pytest.mark.parametrize("seed", range(6))
def test_what_pyhf_writes_is_read_as_pyhf_reads_it(seed: int, tmp_path: Path) -> None:
    for folder in ("config", "data"):
        (tmp_path / folder).mkdir()
    top = pyhf.writexml.writexml(random_workspace(seed), str(tmp_path / "config"), str(tmp_path / "data"), "result")
    (tmp_path / "top.xml").write_bytes(top)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyhf 0.7 calls jsonschema by an old name
        expected = pyhf.readxml.parse(str(tmp_path / "top.xml"), str(tmp_path))
    pyhf.readxml.clear_filecache()
    assert read_model(str(tmp_path / "top.xml")).spec == expected


def test_every_element_becomes_what_it_says(written: Callable[..., Path]) -> None:
    found = read_model(str(written()))
    signal, background = found.spec["channels"][0]["samples"]
    assert (signal["data"], background["data"]) == ([5.0, 10.0], [50.0, 52.0])
    assert {it["name"]: it["type"] for it in signal["modifiers"]} == {
        "lumi": "lumi", "mu": "normfactor", "size": "normsys",
    }  # fmt: skip
    by_name = {it["name"]: it["data"] for it in background["modifiers"]}
    assert by_name["staterror_region"] == [3.0, 4.0]
    assert by_name["energy"] == {"hi_data": [55.0, 54.0], "lo_data": [46.0, 51.0]}
    assert by_name["bins"] == pytest.approx([5.0, 10.4])
    assert found.spec["measurements"][0]["config"]["parameters"] == [
        {"name": "lumi", "auxdata": [2.0], "bounds": [[1.0, 3.0]], "inits": [2.0], "sigmas": [0.2]},
        {"name": "mu", "inits": [1.0], "bounds": [[0.0, 3.0]]},
        {"name": "size", "fixed": True},
    ]
    assert found.remarks == ()


def test_a_normal_constraint_of_bins_is_kept_as_one(written: Callable[..., Path]) -> None:
    found = read_model(str(written(('ConstraintType="Poisson"', 'ConstraintType="Gaussian"'))))
    bins = found.spec["channels"][0]["samples"][1]["modifiers"][-1]
    assert (bins["name"], bins["type"]) == ("bins", "staterror")


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (('ConstraintType="Gaussian"', 'ConstraintType="Poisson"'), r"channel\.xml:4: .*normal ones.*ROOT.*Poisson"),
        (('RelErrorThreshold="0.0" ', ""), r"channel\.xml:4: .*below 5 %"),
        ((' NormalizeByTheory="False"', ""), r"channel\.xml:9: .*without the luminosity.*ROOT takes True"),
    ],
)
def test_where_root_differs_from_pyhf_it_is_said(
    written: Callable[..., Path], replaced: tuple[str, str], message: str
) -> None:
    (remark,) = read_model(str(written(replaced))).remarks
    assert re.search(message, remark)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (("</Channel>", ""), r"channel\.xml:15: is not XML"),
        (("<POI>mu</POI>", ""), r"top\.xml:4: <Measurement>: has no <POI>"),
        (("./config/channel.xml", "./config/nowhere.xml"), r"top\.xml:3: there is no file '\./config/nowhere.xml'"),
        (("<Input>./config/channel.xml</Input>", ""), r"top\.xml:2: <Combination>: names no channel"),
        (('Lumi="2."', 'Lumi="two"'), r'top\.xml:4: <Measurement>: Lumi="two" is not a number'),
        (("alpha_size", "gamma_bins_0"), r"top\.xml:6: <ParamSetting>: 'gamma_bins_0' is the parameter of one bin"),
        (('<Data HistoName="data"/>', ""), r"channel\.xml:2: <Channel>: has no <Data>"),
        (('HistoName="sizes"', 'HistoName="size"'), r"channel\.xml:12: .*no histogram 'nominal/size'; did you mean"),
        (("./data/input.root", "./data/other.root"), r"channel\.xml:3: there is no file '\./data/other.root'"),
        (('High="1.1" ', ""), r"channel\.xml:7: <OverallSys>: attribute 'High' is missing"),
        (('High="1.1"', 'Hihg="1.1" High="1.1"'), r"channel\.xml:7: <OverallSys>: unknown attribute 'Hihg'; did you"),
        (("<StatError ", "<StatErr "), r"channel\.xml:10: <StatErr>: has no counterpart"),
        (('Activate="True"', 'Activate="Yes"'), r'channel\.xml:10: <StatError>: Activate="Yes" is neither'),
        (('ConstraintType="Poisson"', 'ConstraintType="Gamma"'), r"channel\.xml:12: .*'Gamma' has no counterpart"),
        (("</Measurement>", '<ConstraintTerm Type="Gamma">size</ConstraintTerm></Measurement>'), r"top\.xml:7: .*Term"),
        (("<!DOCTYPE Channel SYSTEM", '<!DOCTYPE Channel [<!ENTITY a "b">]><!--'), r"channel\.xml:1: "),
        (("<Combination", "<Combinations"), r"top\.xml:2: <Combinations>: |top\.xml:8: is not XML"),
    ],
)
def test_a_fault_is_named_with_file_and_line(
    written: Callable[..., Path], replaced: tuple[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_model(str(written(replaced)))
    assert "\n" not in str(caught.value)


def test_the_file_of_a_channel_is_no_model(written: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"channel\.xml:2: <Channel>: this is not the file of a combination"):
        read_model(str(written().with_name("channel.xml")))


def test_a_luminosity_without_uncertainty_is_fixed(written: Callable[..., Path]) -> None:
    found: Any = read_model(str(written(('LumiRelErr="0.1"', 'LumiRelErr="0"')))).spec
    assert found["measurements"][0]["config"]["parameters"][0]["fixed"] is True
