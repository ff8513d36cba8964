"""What a long step has finished so far, kept beside its output until that is whole."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from simmorph.data.files.outputs import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class FinishedParts:
    """Finished parts of an output, one JSON line each, in OUT.partial.jsonl; the same step goes on from there.

    The first line says what they are parts of. Where that has changed, as with another input, they are parts of
    something else, and are not taken.

    Args:
        output: what they are parts of; without one nothing is kept.
        made_of: settings and inputs, ready for JSON.
    """

    def __init__(self, output: Path | None, made_of: Mapping[str, Any]) -> None:
        self.path = None if output is None else output.with_name(f"{output.name}.partial.jsonl")
        self._head = json.dumps(made_of, sort_keys=True)
        self._is_begun = False
        self.parts = self._found()

    def _found(self) -> list[Any]:
        """The parts of an earlier start; its last line may have been cut off."""
        if self.path is None or not self.path.is_file():
            return []
        head, *lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
        if head.rstrip("\n") != self._head:
            return []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add(self, part: Any) -> None:
        """Keep one more part.

        Raises:
            OutputError: it cannot be written.
        """
        self.parts.append(part)
        if self.path is None:
            return
        lines = [json.dumps(it, allow_nan=False) for it in ([part] if self._is_begun else self.parts)]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a" if self._is_begun else "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in ([] if self._is_begun else [self._head]) + lines)
        except OSError as error:
            raise OutputError.of(self.path, error) from error
        self._is_begun = True

    def where(self) -> str:
        """Where to find them, in words."""
        kept = "" if self.path is None else f"; kept in {self.path}, the same command goes on from there"
        return f"{len(self.parts)} parts are done{kept}"

    def clear(self) -> None:
        """Forget the parts: the output is whole."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def until_stopped(work: Callable[[], None]) -> BaseException | None:
    """Do the work, and return what stopped it: Ctrl-C or SIGTERM; None if it came to its end."""
    try:
        work()
    except (KeyboardInterrupt, SystemExit) as stop:
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that was heard is not to ring again
        return stop
    return None
