"""Interpolations of pyhf's models, and the one of CMS Combine, which pyhf does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyhf import get_backend
from pyhf.modifiers import histfactory_set
from pyhf.modifiers.normsys import normsys_builder, normsys_combined

from simmorph.limits.modifiers.normsys import LogNormals

if TYPE_CHECKING:
    from simmorph.config.values.interpolation import Clip, Interpolation
    from simmorph.data.events import FloatArray


def model_options(interpolation: Interpolation) -> dict[str, Any]:
    """What `pyhf.Workspace.model` is to be told, so that its modifiers interpolate like this."""
    settings = {kind: {"interpcode": code} for kind, code in interpolation.model_dump().items()}
    modifiers = {**histfactory_set, "normsys": (normsys_builder, _NormSys)}
    return {"modifier_settings": settings, "modifier_set": modifiers}


def clip_options(clip: Clip) -> dict[str, float | None]:
    """The same for the least that is expected."""
    return {"clip_sample_data": clip.samples, "clip_bin_data": clip.bins}


class _NormSys(normsys_combined):  # type: ignore[misc] # pyhf has no types
    """pyhf's normsys with one code more."""

    def __init__(self, *given: Any, interpcode: str = "code4", **options: Any) -> None:
        is_combine = interpcode == "combine"
        super().__init__(*given, interpcode="code1" if is_combine else interpcode, **options)
        if is_combine:
            self.interpolator = _Interpolator(np.array(self._normsys_histoset, np.float64))


class _Interpolator:
    """`LogNormals` in the shapes of pyhf.

    Args:
        sides: (n_modifiers, n_samples, 3, n_bins), the factors down, nominal and up.
    """

    def __init__(self, sides: FloatArray) -> None:
        self.sides = sides

    def __call__(self, parameters: Any) -> Any:
        """(n_modifiers, n_samples, n_sets, n_bins), at (n_modifiers, n_sets)."""
        backend, _ = get_backend()
        if not self.sides.size:
            return backend.ones((0, 1, 1, 1))
        up, down = (np.moveaxis(self.sides[:, :, side], 0, -1) for side in (2, 0))
        functions = LogNormals(np.stack([up.ravel(), down.ravel()], axis=1))
        at = np.asarray(backend.tolist(parameters), np.float64)
        values = [functions.values(np.broadcast_to(its, up.shape).ravel()).reshape(up.shape) for its in at.T]
        return backend.astensor(np.moveaxis(np.array(values), [0, -1], [2, 0]))
