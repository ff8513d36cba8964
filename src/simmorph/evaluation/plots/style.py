"""What all plots share: style, colours of the samples, heading; nothing is shown, saved, or set globally."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from simmorph.config.evaluation import EvaluateSettings
    from simmorph.data.events import FloatArray

TARGET, SOURCE, TEMPLATE, NULL = "#000000", "#3f90da", "#bd1f01", "#717581"
SERIES = (SOURCE, "#ffa90e", TEMPLATE, "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", NULL, "#92dadd")
"""Colours that people with any colour vision can distinguish (M. Petroff 2021, arXiv 2107.02270)."""
ONE_SIGMA, TWO_SIGMA = "#009E73", "#F0E442"
"""The bands of an expected limit: green and yellow for any colour vision (M. Okabe and K. Ito 2008)."""
DOTS_PER_INCH = 110
LARGEST_TITLE, LETTER = 14, 0.54
"""Points of a title that has room, and the width of a bold letter over its size."""
DASHED, SOLID, DOTTED = (0, (5, 2)), "-", ":"

HEADING, LEFT, RIGHT, BELOW, ABOVE = 0.4, 0.9, 0.12, 0.62, 0.3
"""Inches above all panels, and beside, below and above each."""

COMPARISON_STYLE = {
    "source_vs_target": ("source against target", SOURCE, DASHED),
    "template_vs_target": ("template against target", TEMPLATE, SOLID),
    "target_vs_target": ("target against target", TARGET, DOTTED),
}


class Heading(NamedTuple):
    """What stands above a plot.

    Attributes:
        experiment: the label.
        collisions: luminosity and energy.
        region: where the events are.
    """

    experiment: str = ""
    collisions: str = ""
    region: str = ""

    @classmethod
    def of(cls, experiment: str, luminosity_fb: float | None, energy_tev: float | None, region: str = "") -> Heading:
        """The label, what is known of luminosity and energy, and the region."""
        # Without a root sign, for which the fonts of this style have no name and matplotlib a warning.
        energy = f"{energy_tev:g} TeV" if energy_tev else ""
        luminosity = rf"{luminosity_fb:g} fb$^{{-1}}$" if luminosity_fb else ""
        collisions = f"{luminosity} ({energy})" if luminosity and energy else luminosity or energy
        return cls(experiment, collisions, region)

    def over(self, axes: Axes) -> None:
        """Above one panel: experiment to the left, collisions to the right."""
        if self.experiment:
            axes.set_title(plain(self.experiment), loc="left", fontweight="bold")
        if self.collisions:
            axes.set_title(self.collisions, loc="right")

    def over_all(self, figure: Figure) -> None:
        """Above a figure of several panels."""
        words = ", ".join(word for word in (plain(self.experiment), plain(self.region), self.collisions) if word)
        if words:
            width, height = figure.get_size_inches()
            size = min(LARGEST_TITLE, 72 * 0.97 * width / (LETTER * length_of(words)))
            figure.suptitle(words, x=0.01, y=1 - 0.1 / height, ha="left", va="top", fontweight="bold", fontsize=size)


NO_HEADING = Heading()


def heading(settings: EvaluateSettings, region: str = "") -> Heading:
    """The heading of a recipe's plots."""
    return Heading.of(settings.label, settings.luminosity_fb, settings.energy_tev, region)


def plain(text: str) -> str:
    """Text in which a dollar sign is one, and no formula begins.

    What a user calls a region or an experiment goes through here, so that matplotlib does not read it as a formula.
    """
    return text.replace("$", r"\$")


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The style of plots in particle physics, at the size of a page; hold it also while saving."""
    import mplhep  # noqa: PLC0415 - takes most of a second

    sizes: dict[str, Any] = {
        "font.size": 12,
        "axes.labelsize": 13,
        "axes.titlesize": 12,
        "xtick.labelsize": 11,
        "ytick.labelsize": 11,
        "legend.fontsize": 11,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        # Minor ticks take a third of the time to draw.
        "xtick.minor.visible": False,
        "ytick.minor.visible": False,
    }
    of_root = {key: value for key, value in mplhep.style.ROOT.items() if not key.startswith(("figure.", "font.size"))}
    settings: Any = {**of_root, **sizes}
    with mpl.rc_context(settings):
        yield


def images(figure: Figure) -> dict[str, bytes]:
    """A figure as `png` and, without the time of writing, as `pdf`."""
    return {kind: _image(figure, kind, metadata) for kind, metadata in (("png", None), ("pdf", {"CreationDate": None}))}


def save(figure: Figure, path: Path) -> dict[str, bytes]:
    """Write `images` into files of this name; returns them."""
    drawn = images(figure)
    for kind, content in drawn.items():
        path.with_name(f"{path.name}.{kind}").write_bytes(content)
    return drawn


def _image(figure: Figure, kind: str, metadata: Mapping[str, Any] | None) -> bytes:
    """A figure in one format, at the resolution of all plots.

    Raises:
        ConfigError: a name that stands on it is a formula that cannot be drawn.
    """
    file = io.BytesIO()
    try:
        figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    except ValueError as error:
        if "Parse" not in str(error):
            raise
        text = str(error).strip().splitlines()[0]
        raise ConfigError(f"{text!r} on a plot", "cannot be drawn as a formula", "write its dollar as \\$") from error
    return file.getvalue()


def length_of(text: str) -> int:
    """About how many letters wide a text is: a command of a formula is one, and its markup none."""
    return len(re.sub(r"[${}_^]", "", re.sub(r"\\[a-zA-Z]+", "x", text)))


def without_unit(label: str) -> str:
    """A label without the unit in brackets at its end.

    >>> without_unit("m_yy [GeV]")
    'm_yy'
    """
    return re.sub(r"\s*\[[^\]]*\]$", "", label)


def band(axes: Axes, edges: FloatArray, values: FloatArray, uncertainty: FloatArray, colour: str) -> None:
    """A statistical band around a histogram."""
    axes.stairs(values + uncertainty, edges, baseline=values - uncertainty, fill=True, color=colour, alpha=0.25)


def panels_of(n_panels: int, size: tuple[float, float], most_abreast: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure with panels in rows, with room for ticks and labels between them and for the heading above.

    A layout that measures its labels takes longer than to draw them.

    Args:
        n_panels: how many.
        size: width and height of a panel with its labels, in inches.
        most_abreast: how many stand in a row.
    """
    n_columns = min(most_abreast, n_panels)
    n_rows = -(-n_panels // n_columns)
    left, right, low, high = LEFT, RIGHT, BELOW, ABOVE
    figure = Figure(figsize=(n_columns * size[0], n_rows * size[1] + HEADING))
    width, height = figure.get_size_inches()
    panels = []
    for number in range(n_panels):
        row, column = divmod(number, n_columns)
        x, y = column * size[0] + left, (n_rows - 1 - row) * size[1] + low
        place = (x / width, y / height, (size[0] - left - right) / width, (size[1] - low - high) / height)
        panels.append(figure.add_axes(place))
    return figure, panels
