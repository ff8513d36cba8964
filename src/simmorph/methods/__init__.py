"""What makes source look like target; a new method is one file here and its name in the registry's METHODS."""

from simmorph.methods.registry import METHODS, build_method

__all__ = ["METHODS", "build_method"]
