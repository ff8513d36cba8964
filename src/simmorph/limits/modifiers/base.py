"""What every modifier can do, as a part of a template and as a part of a likelihood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol, Self

from pydantic import Field

from simmorph.config.documents import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simmorph.data.events import BoolArray, FloatArray
    from simmorph.data.histograms import Histogram


class Size(Section):
    """Keys of an uncertainty that one number describes."""

    size: Annotated[float, Field(gt=0, lt=1)]
    """Relative size of one standard deviation."""


class Nominal(NamedTuple):
    """A sample before its uncertainties, as a recipe describes it.

    Attributes:
        histogram: its yields.
        suffix: ends the names of what the channel does not share with others.
        varied: the yields of the same sample with other keys, such as `weight`.
    """

    histogram: Histogram
    suffix: str
    varied: Callable[[Mapping[str, str]], FloatArray]


class Cells(Protocol):
    """The cells of a model, each one bin of one sample, to which a modifier adds what it does."""

    def scale(self, here: slice, parameter: int) -> None:
        """Multiply all cells by a parameter."""

    def multiply(self, here: slice, parameters: Sequence[int]) -> None:
        """Multiply each cell by a parameter of its bin."""

    def multiply_by(self, here: slice, parameter: int, modifier: Scaling) -> None:
        """Multiply all cells by a function of one parameter, see `Scaling.factors`."""

    def add(self, here: slice, parameter: int, modifier: Shifting) -> None:
        """Add a function of one parameter to the cells, see `Shifting.shifts`."""


class Term(NamedTuple):
    """A modifier that adds to some cells.

    Attributes:
        row: of its parameter, among those that add.
        cells: which cells.
        modifier: whose function it is.
        nominal: (n_cells,), their yields.
    """

    row: int
    cells: Any
    modifier: Any
    nominal: FloatArray


class Function(Protocol):
    """Functions of n parameters: a factor for each, or what they add to the cells.

    Attributes:
        has_kink: whether the derivatives jump where a parameter is 0.
    """

    has_kink: bool

    def values(self, at: FloatArray) -> FloatArray:
        """(..., n) factors, or (..., n_cells) sums of shifts, at (..., n) parameters."""

    def slopes(self, at: FloatArray) -> FloatArray:
        """(..., n) or (..., n, n_cells), the first derivatives at (..., n)."""

    def curvatures(self, at: FloatArray) -> FloatArray:
        """(..., n) or (..., n, n_cells), the second derivatives at (..., n)."""


@dataclass(frozen=True, eq=False)
class Modifier(ABC):
    """A modifier of one sample in one channel; its parameter has its name.

    A new kind is a class in a file of its own, and its name in MODIFIERS. pyhf has the kinds of HistFactory and no
    others: a new one inherits from HistoSys, as which it is written, and says anew what its `Options` are, what a
    recipe that has them becomes (`of_recipe`), and which files they name (`inputs`). What a modifier has to say:

    - `data` and `of_pyhf`: what stands in the JSON of pyhf, and back;
    - `part`, `scaled` and `moved`: what becomes of it with some bins of the sample, another scale, or other yields;
    - `enter`: what it does to the cells; as PerBin, Scaling or Shifting it knows already;
    - as Systematic, which a recipe may name as the `type` of an uncertainty: `words`, `Options` and `of_recipe`.

    Attributes:
        name: of the parameter, or of the parameters of all bins.
    """

    kind: ClassVar[str]
    """What pyhf calls it."""
    spans_channels: ClassVar[bool] = False
    """Whether channels that share a name have one parameter after the other, rather than the same ones."""

    name: str

    @classmethod
    def of_pyhf(cls, name: str, data: Any, nominal: FloatArray) -> Self:  # noqa: ARG003
        """The modifier in the JSON of pyhf, of a sample with these yields."""
        return cls(name)

    @classmethod
    def numbers(cls, data: Any) -> Iterator[tuple[list[float], float]]:
        """All numbers in the JSON of pyhf, and the least that they may be."""
        if isinstance(data, list):
            yield data, 0.0

    def to_pyhf(self, nominal: FloatArray) -> dict[str, Any]:
        """The modifier of a sample with these yields, as JSON."""
        return {"name": self.name, "type": self.kind, "data": self.data(nominal)}

    def data(self, nominal: FloatArray) -> Any:  # noqa: ARG002
        """What it says of a sample with these yields, as JSON."""
        return None

    def parameter(self) -> dict[str, Any] | None:
        """What a measurement says of its parameter, where pyhf's default does not do."""
        return None

    def part(self, bins: BoolArray) -> Self:  # noqa: ARG002
        """In the marked bins of the sample."""
        return self

    def scaled(self, factor: float) -> Self:  # noqa: ARG002
        """With all yields of the sample times a factor."""
        return self

    def moved(self, before: Histogram, after: Histogram) -> Self:  # noqa: ARG002
        """With other yields of the sample."""
        return self

    def normalised(self, nominal: FloatArray, bins: BoolArray) -> Self:  # noqa: ARG002
        """As it is for a sample that is scaled to what was seen in these bins."""
        return self

    @abstractmethod
    def enter(self, cells: Cells, here: slice, parameter: int) -> None:
        """Say what it does to the cells of its sample; `parameter` is the first of its parameters."""


class Systematic(Modifier):
    """A modifier that a recipe may name as the `type` of a systematic uncertainty."""

    words: ClassVar[str]
    """How it acts, for people."""
    Options: ClassVar[type[Section]]
    """Its keys in a recipe, beside name, type and samples."""

    @classmethod
    @abstractmethod
    def of_recipe(cls, name: str, options: Any, nominal: Nominal) -> Self:
        """The modifier of a sample that a recipe asks for.

        Args:
            name: of the uncertainty in the recipe, which names its parameter.
            options: its keys, checked, as `Options`.
            nominal: the sample that it acts on.
        """

    @classmethod
    def inputs(cls, options: Any) -> list[str]:  # noqa: ARG003
        """Files that its options name."""
        return []

    @classmethod
    def described(cls, options: Section) -> str:
        """How it acts and by how much, in words."""
        numbers = [f"{value:g}" for value in options.model_dump().values() if isinstance(value, float)]
        return ", ".join([cls.words, *numbers])


class PerBin(Modifier):
    """A modifier with one parameter for each bin."""

    def enter(self, cells: Cells, here: slice, parameter: int) -> None:
        """Multiply each bin by its parameter."""
        cells.multiply(here, range(parameter, parameter + here.stop - here.start))


class Scaling(Modifier):
    """A modifier that multiplies all bins by a function of one parameter."""

    def enter(self, cells: Cells, here: slice, parameter: int) -> None:
        """Multiply all bins by the function."""
        cells.multiply_by(here, parameter, self)

    @classmethod
    @abstractmethod
    def factors(cls, modifiers: Sequence[Self], code: str | None) -> Function:
        """The factors of several modifiers, each with a parameter of its own, by an interpolation code of pyhf."""


class Shifting(Modifier):
    """A modifier that adds a function of one parameter to the bins."""

    def enter(self, cells: Cells, here: slice, parameter: int) -> None:
        """Add the function."""
        cells.add(here, parameter, self)

    @classmethod
    @abstractmethod
    def shifts(cls, terms: Sequence[Term], n_cells: int, code: str | None) -> Function:
        """What several modifiers add to all cells, by an interpolation code of pyhf."""
