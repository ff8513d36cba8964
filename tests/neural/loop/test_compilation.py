"""Compiled losses: the same numbers without a break in the graph, and a way out where torch cannot compile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch._inductor import config as inductor

from simmorph.config.training import TrainingSettings
from simmorph.errors import Checkpointed, ConfigError
from simmorph.neural.flows.autoregressive import AutoregressiveFlow
from simmorph.neural.flows.flow import FlowOverNormal, FlowShape
from simmorph.neural.flows.splines import Spline
from simmorph.neural.loop import compilation
from simmorph.neural.loop.batches import Batch, Parts
from simmorph.neural.loop.compilation import compiled_or_plain, pays
from simmorph.neural.loop.minimize import minimize
from simmorph.neural.loop.training import Training
from simmorph.neural.networks import initialise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHAPE = FlowShape(layers=2, hidden=(8,), bins=4, tail_bound=4.0, marginal_bins=0)
FLOWS: dict[str, Callable[[], FlowOverNormal]] = {
    "affine": lambda: AutoregressiveFlow(3, 1, SHAPE, "affine"),
    "spline": lambda: AutoregressiveFlow(3, 1, SHAPE, "spline"),
}


class Fit(nn.Module):
    """Maximum likelihood with a flow."""

    n_calls: torch.Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        self.flow = FLOWS[name]()
        self.register_buffer("n_calls", torch.tensor(0))
        initialise(self, 1)

    def loss(self, batch: Batch) -> torch.Tensor:
        if self.training:
            self.n_calls += 1
        return -(batch.weights * self.flow.log_density(batch.features, batch.context)).mean()


def sample(n_events: int) -> Batch:
    drawn = torch.randn(n_events, 5, generator=torch.Generator().manual_seed(1))
    return Batch(
        drawn[:, :3] * 1.5 + 0.5 * drawn[:, 3:4],
        drawn[:, 3:4],
        torch.rand(n_events, generator=torch.Generator().manual_seed(2)) + 0.5,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one test has compiled, another need not compile again."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def _a_cache_of_our_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    yield
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("name", FLOWS)
def test_the_loss_of_a_flow_is_one_graph_with_the_same_value_and_gradient(name: str) -> None:
    fit, batch = Fit(name), sample(50)
    plain = fit.loss(batch)
    wanted = torch.autograd.grad(plain, list(fit.parameters()))
    whole = torch.compile(fit.loss, fullgraph=True, dynamic=False, backend="aot_eager")(batch)
    found = torch.autograd.grad(whole, list(fit.parameters()))
    torch.testing.assert_close(whole, plain)
    for mine, reference in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, reference)


@pytest.mark.parametrize(
    ("name", "limit"), [("spline", compilation.LONG_ENOUGH), ("affine", compilation.LONG_ENOUGH_FOR_WHOLE)]
)
def test_compiling_pays_for_long_training_only(name: str, limit: float) -> None:
    fit, batch = Fit(name), sample(1000)
    n_parameters = sum(values.numel() for values in fit.parameters())
    enough = int(limit / (2000 * n_parameters)) + 1
    assert pays(enough, [batch, batch], fit)
    assert not pays(enough // 2, [batch, batch], fit)
    assert not pays(enough // 2 + 1, [batch], fit)


@pytest.mark.parametrize("setting", ["never", "auto"])
def test_short_training_is_not_compiled(setting: str) -> None:
    fit = Fit("affine")
    with compiled_or_plain(setting, [fit.loss], [sample(50)], fit, 1000) as losses:
        assert losses == [fit.loss]


def test_without_a_compiler_auto_says_so_once_and_always_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compilation, "LONG_ENOUGH_FOR_WHOLE", 0)
    fit, batch = Fit("affine"), sample(50)
    without = inductor.patch({"cpp.cxx": (None, "no-such-compiler")})
    with caplog.at_level(logging.WARNING), without, compiled_or_plain("auto", [fit.loss], [batch], fit, 1000) as losses:
        assert losses == [fit.loss]
        losses[0](batch).backward()  # type: ignore[no-untyped-call]
    (record,) = caplog.records
    assert "torch cannot compile: No working C++ compiler" in record.getMessage()
    assert "\n" not in record.getMessage()
    refused = pytest.raises(ConfigError, match=r"training\.compile: torch cannot compile: .*; use `compile: auto`")
    with refused, without, compiled_or_plain("always", [fit.loss], [batch], fit, 1000):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_the_trial_leaves_no_trace_and_the_end_nothing_compiled(name: str) -> None:
    fit, batch = Fit(name), sample(50)
    state = {name: values.clone() for name, values in fit.state_dict().items()}
    random = torch.get_rng_state()
    with compiled_or_plain("always", [fit.loss], [batch], fit, 1000) as losses:
        assert (losses == [fit.loss]) == (name == "spline")
        assert all(torch.equal(values, state[name]) for name, values in fit.state_dict().items())
        assert all(values.grad is None for values in fit.parameters())
        assert torch.equal(torch.get_rng_state(), random)
        torch.testing.assert_close(losses[0](batch), fit.loss(batch))
    assert all(layer.fused is None for layer in fit.modules() if isinstance(layer, Spline))


@pytest.mark.slow
def test_compiled_training_ends_at_the_same_numbers_and_resumes_with_the_same_bits(tmp_path: Path) -> None:
    def train(setting: str, checkpoint: Path | None = None, n_steps: int = 1000) -> Fit:
        fit, data = Fit("spline"), Parts(sample(200), sample(100))
        settings = TrainingSettings(epochs=3, batch_size=50, device="cpu").model_copy(update={"compile": setting})
        asked = iter([False] * n_steps + [True] * 1000)
        minimize(fit, fit.loss, [data], Training(settings, checkpoint, stop_requested=lambda: next(asked)))
        return fit

    plain, compiled = train("never"), train("always")
    for mine, reference in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-3, atol=1e-5)
    with pytest.raises(Checkpointed):
        train("always", tmp_path / "checkpoint", n_steps=5)
    resumed = train("always", tmp_path / "checkpoint")
    for mine, reference in zip(resumed.state_dict().values(), compiled.state_dict().values(), strict=True):
        assert torch.equal(mine, reference)
