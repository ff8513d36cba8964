"""Training with arithmetic compiled by torch, where training is long enough to pay for it.

Of a spline flow it is the splines that are compiled: one short piece of arithmetic, the same in many layers, that
eager torch computes in dozens of passes over memory. Compiling the networks as well takes several times as long and
gains nothing, since matrix products are as fast as they can be. Without splines the whole loss is compiled.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from simmorph.errors import ConfigError
from simmorph.neural.flows.splines import Spline, rational_quadratic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from simmorph.neural.loop.batches import Batch

    Loss = Callable[..., Tensor]

LONG_ENOUGH = 2e12
"""Events seen times parameters from which compiling pays on a CPU.

A core needs some 0.4e-9 s for each; compiling splines takes about a minute, and saves a fifth."""
LONG_ENOUGH_FOR_WHOLE = 1e13
"""The same where there is no spline and the whole loss is compiled, which takes longer and may save less."""
STEPS_ENOUGH = 10_000
"""Steps from which compiling pays on a GPU, which small networks leave idle between the launches of their kernels."""


def pays(n_steps: int, batches: Sequence[Batch], module: nn.Module) -> bool:
    """Whether a training is long enough to compile for: by counts alone, so that it is the same everywhere."""
    if batches[0].weights.is_cuda:
        return n_steps >= STEPS_ENOUGH
    n_events = n_steps * sum(batch.n_events for batch in batches)
    enough = LONG_ENOUGH if _splines(module) else LONG_ENOUGH_FOR_WHOLE
    return n_events * sum(values.numel() for values in module.parameters()) >= enough


def compile_losses(losses: Sequence[Loss], batches: Sequence[Batch], module: nn.Module) -> list[Loss]:
    """The losses, compiled by one trial each, which leaves no trace in the parameters or in any random number.

    Args:
        losses: each takes the batches.
        batches: of the shape of those in training.
        module: what is trained; left in training mode, its splines compiled.

    Raises:
        RuntimeError: torch cannot compile them, for instance since there is no C++ compiler.
    """
    state = {name: values.detach().clone() for name, values in module.state_dict().items()}
    devices = [batches[0].weights.device] if batches[0].weights.is_cuda else []
    with warnings.catch_warnings(), torch.random.fork_rng(devices=devices):
        # About torch's own use of torch.
        warnings.simplefilter("ignore")
        try:
            return _tried(losses, batches, module)
        finally:
            module.load_state_dict(state)
            module.zero_grad()


def _tried(losses: Sequence[Loss], batches: Sequence[Batch], module: nn.Module) -> list[Loss]:
    """The losses compiled, each computed once with its gradients, so that a failure comes here."""
    splines = _splines(module)
    for spline in splines:
        spline.fused = _compiled(rational_quadratic)
    compiled = list(losses) if splines else [_compiled(loss) for loss in losses]
    module.train()
    # Layers of other sizes are compiled one by one.
    with torch._dynamo.config.patch(recompile_limit=64):
        for loss in compiled:
            loss(*batches).backward()
    return compiled


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as torch compiles it for the shapes of its first call."""
    # The process's own threads, or else torch would start one process for each core of a shared machine.
    options: dict[str, str | int | bool | Callable[..., Any]] = {"compile_threads": torch.get_num_threads()}
    return torch.compile(function, dynamic=False, options=options)


def _splines(module: nn.Module) -> list[Spline]:
    """All splines in a module."""
    return [layer for layer in module.modules() if isinstance(layer, Spline)]


def _release(module: nn.Module) -> None:
    """Leave nothing compiled."""
    for spline in _splines(module):
        spline.fused = None
    torch.compiler.reset()


@contextlib.contextmanager
def compiled_or_plain(
    setting: str, losses: Sequence[Loss], batches: Sequence[Batch], module: nn.Module, n_steps: int
) -> Iterator[list[Loss]]:
    """The losses as training should compute them: compiled if `training.compile` says so, until the context ends.

    Args:
        setting: never; auto, where it pays and is possible; always.
        losses: each takes the batches.
        batches: of the shape of those in training.
        module: what is trained.
        n_steps: how many steps training takes at most.

    Raises:
        ConfigError: they must be compiled, and cannot.
    """
    if setting == "never" or (setting == "auto" and not pays(n_steps, batches, module)):
        yield list(losses)
        return
    try:
        yield _compiled_if_possible(setting, losses, batches, module)
    finally:
        _release(module)


def _compiled_if_possible(
    setting: str, losses: Sequence[Loss], batches: Sequence[Batch], module: nn.Module
) -> list[Loss]:
    """The losses compiled, or as they are with a warning where torch cannot.

    Raises:
        ConfigError: torch cannot, and the setting is `always`.
    """
    try:
        return compile_losses(losses, batches, module)
    except RuntimeError as error:
        _release(module)
        reason = f"torch cannot compile: {_reason(error)}"
        if setting == "always":
            raise ConfigError("training.compile", reason, "use `compile: auto`, which does without") from error
        logging.getLogger(__name__).warning("training.compile: %s; training goes on without", reason)
        return list(losses)


def _reason(error: Any) -> str:
    """The first line of what went wrong at the root."""
    root = getattr(error, "inner_exception", None) or error
    return (str(root).strip() or type(root).__name__).splitlines()[0]
