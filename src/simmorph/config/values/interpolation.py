"""What of a model a pyhf workspace does not say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simmorph.config.documents import Section


class Interpolation(Section):
    """How the two sides of a modifier are joined, for all modifiers of a kind: codes of pyhf."""

    normsys: Literal["code4", "code1", "combine"] = "code4"
    """A polynomial inside of one standard deviation and powers outside (code4); powers alone, with a kink (code1); or
    powers whose logarithm is smooth inside of half a standard deviation (combine), as in CMS Combine."""
    histosys: Literal["code4p", "code0"] = "code4p"
    """A polynomial inside of one standard deviation and straight lines outside (code4p), or straight lines alone, with
    a kink (code0)."""


class Clip(Section):
    """The least that is expected, as pyhf takes it; nothing by default."""

    samples: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """In a bin of a sample; pyhf's `clip_sample_data`."""
    bins: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """In a bin of all samples together; pyhf's `clip_bin_data`."""
