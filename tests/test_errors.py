"""Errors say where, what and the mend."""

from __future__ import annotations

import pytest

from simmorph.errors import InputError, one_of


def test_an_error_is_where_what_and_mend() -> None:
    error = InputError("mc.root", "tree 'mini' lacks 'photon_pt'", one_of("photon_pt", ["photon_E", "Photon_pt"]))
    assert str(error) == (
        "mc.root: tree 'mini' lacks 'photon_pt'; did you mean 'Photon_pt'? it has 'Photon_pt', 'photon_E'"
    )


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], "it has none"),
        (["zzz"], "it has 'zzz'"),
        ([f"b{i}" for i in range(10)], "and 2 more"),
    ],
)
def test_the_hint_fits_what_there_is(known: list[str], hint: str) -> None:
    assert hint in one_of("photon_pt", known)
