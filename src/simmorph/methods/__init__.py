"""What makes source look like target; a new method is one file here and its name in METHODS."""

from simmorph.methods.base import Method
from simmorph.methods.one_flow import OneFlow

METHODS: dict[str, type[Method]] = {
    "one_flow": OneFlow,
}
"""Every method by its name in a recipe."""
