"""How a long step says what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Progress = Callable[[Any], None]
"""Called now and then with a line of text; by training, after each epoch, with a mapping of numbers by name."""


def silent(_: Any) -> None:
    """The default of every `progress`."""
