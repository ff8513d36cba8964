"""A formula that cannot be drawn is refused where it is read, with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simmorph.config.compare import CompareRecipe
from simmorph.config.documents import Document, Section, parse_yaml, validate
from simmorph.config.limits import LimitsRecipe
from simmorph.config.recipe import Recipe
from simmorph.config.values.labels import Label
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

RECIPE = {"features": ["x"], "method": {"name": "quantile"}}
LIMITS = {"observable": "x", "binning": {"edges": [0, 1]}, "signal": {"input": "s"}, "background": {"input": "b"}}
COMPARE = {
    "features": ["x"],
    "methods": [{"name": "quantile"}],
    "judge": {},
    "output": "o",
    "source": "s",
    "target": "t",
}


class Titled(Section):
    title: Label


@pytest.mark.parametrize(
    "text", ["", "H_T", "$H_T$", r"$\frac{1}{2}$ at 5 $", r"\$5 to \$6", "H → \u03b3\u03b3", r"$p_{T,1}$ [GeV]"]
)
def test_what_can_be_drawn_stays_as_it_is(text: str) -> None:
    assert Titled(title=text).title == text


@pytest.mark.parametrize("text", [r"$\frac{$", r"$x^$", r"$\nosuchcommand$", r"a $b$ $\sqrt{$"])
def test_a_formula_that_cannot_be_drawn_is_one_line(text: str) -> None:
    document = Document("r.yaml", *parse_yaml(f"# titles\ntitle: '{text}'\n", "r.yaml"))
    with pytest.raises(ConfigError) as caught:
        validate(document, Titled)
    assert str(caught.value).startswith(f"r.yaml:2: title: {text!r} cannot be drawn as a formula: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "content"),
    [
        (Recipe, {**RECIPE, "variables": {"x": {"label": "$x^$"}}}),
        (Recipe, {**RECIPE, "evaluate": {"label": "$x^$"}}),
        (LimitsRecipe, {"limits": {**LIMITS, "label": "$x^$"}}),
        (LimitsRecipe, {"limits": {**LIMITS, "experiment": "$x^$"}}),
        (CompareRecipe, {**COMPARE, "judge": {"label": "$x^$"}}),
        (CompareRecipe, {**COMPARE, "methods": [{"name": "quantile", "label": "$x^$"}]}),
    ],
)
def test_every_label_is_looked_at(section: type[Any], content: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn as a formula"):
        validate(Document("recipe", dict(content)), section)
