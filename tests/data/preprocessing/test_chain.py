"""Preprocessing goes there and back, and knows what no event can be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.config.recipe import Recipe
from simmorph.data.events import Events, FloatArray
from simmorph.data.preprocessing.chain import Preprocessing
from simmorph.data.preprocessing.proposal import propose_context_steps
from simmorph.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simmorph.config.preprocessing import VariableSettings

N_EVENTS = 20_000


def _eta(rng: np.random.Generator) -> FloatArray:
    eta = rng.uniform(-2.37, 2.37, 2 * N_EVENTS)
    outside = eta[(np.abs(eta) < 1.37) | (np.abs(eta) > 1.52)][:N_EVENTS]
    return outside.astype(np.float32).astype(np.float64)


def _variables() -> dict[str, FloatArray]:
    rng = np.random.default_rng(1)
    return {
        "pt1": 35 + rng.exponential(30, N_EVENTS),
        "eta1": _eta(rng),
        "phi1": rng.uniform(-np.pi, np.pi, N_EVENTS),
        "dphi": (rng.normal(np.pi, 0.4, N_EVENTS) + np.pi) % (2 * np.pi) - np.pi,
        "isolation": np.where(rng.random(N_EVENTS) < 0.4, 0.0, 0.8 + rng.exponential(1, N_EVENTS)),
        "signed_isolation": np.where(rng.random(N_EVENTS) < 0.2, 0.0, rng.normal(1, 2, N_EVENTS)),
        "m_yy": 105 + 55 * rng.beta(1, 1.3, N_EVENTS),
        "normal": rng.normal(5, 3, N_EVENTS),
        "heavy": rng.standard_t(2, N_EVENTS),
        "spread": rng.lognormal(0, 3, N_EVENTS),
        "n_jets": rng.poisson(2, N_EVENTS).astype(np.float64),
        "constant": np.full(N_EVENTS, 7.5),
    }


VARIABLES = _variables()
IDS = np.arange(N_EVENTS)


def _settings(**steps: Any) -> dict[str, VariableSettings]:
    """The typed steps of a recipe."""
    recipe = {"features": list(steps), "method": {"name": "quantile"}, "preprocessing": steps}
    return dict(Recipe.model_validate(recipe).preprocessing)


def _fitted(name: str, *steps: Any, values: FloatArray | None = None) -> Preprocessing:
    """Preprocessing of one variable, with these steps or proposed ones."""
    settings = _settings(**{name: list(steps)}) if steps else {}
    column = VARIABLES[name] if values is None else values
    return Preprocessing.fit([name], settings, Events.of(column[:, None]), seed=3)


def _there_and_back(preprocessing: Preprocessing, values: FloatArray) -> FloatArray:
    ids = np.arange(len(values))
    return preprocessing.inverse(preprocessing.forward(values[:, None], ids))[:, 0]


def _relative_error(values: FloatArray, returned: FloatArray) -> float:
    # Angles have no relative error near zero, and shifted variables lose the digits of the shift.
    return float(np.max(np.abs(returned - values) / np.maximum(np.abs(values), 1e-6 * np.max(np.abs(values)))))


@pytest.mark.parametrize("name", VARIABLES)
def test_proposed_steps_go_there_and_back(name: str) -> None:
    assert _relative_error(VARIABLES[name], _there_and_back(_fitted(name), VARIABLES[name])) < 1e-6


@pytest.mark.parametrize("name", sorted(set(VARIABLES) - {"constant"}))
def test_proposed_steps_bring_a_variable_near_to_standard_normal(name: str) -> None:
    seen = _fitted(name).forward(VARIABLES[name][:, None], IDS)[:, 0]
    assert np.mean(seen) == pytest.approx(0, abs=0.12)
    assert np.std(seen) == pytest.approx(1, abs=0.12)
    assert np.max(np.abs(seen)) < 12


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("normal", ["standardise"]),
        ("pt1", ["log", "standardise"]),
        ("pt1", [{"name": "log", "shift": -35}, "standardise"]),
        ("heavy", ["log", "quantile"]),
        ("heavy", ["quantile"]),
        ("heavy", [{"name": "quantile", "knots": 2}]),
        ("m_yy", ["logit"]),
        ("m_yy", [{"name": "logit", "low": 100, "high": 170}, "standardise"]),
        ("phi1", ["periodic"]),
        ("dphi", [{"name": "periodic", "seam": 0}, "quantile"]),
        ("isolation", ["dequantise", "standardise"]),
        ("isolation", [{"name": "dequantise", "values": [0.0]}, "gaps", "quantile"]),
        ("eta1", [{"name": "gaps", "edges": [[-1.52, -1.37], [1.37, 1.52]]}, "standardise"]),
        ("n_jets", ["dequantise", "standardise"]),
    ],
)
def test_chosen_steps_go_there_and_back(name: str, steps: list[Any]) -> None:
    returned = _there_and_back(_fitted(name, *steps), VARIABLES[name])
    assert _relative_error(VARIABLES[name], returned) < 1e-6


@pytest.mark.parametrize(
    ("steps", "low", "high"),
    [
        (["standardise"], -np.inf, np.inf),
        (["quantile"], -np.inf, np.inf),
        (["log", "quantile"], 0, np.inf),
        ([{"name": "log", "shift": -35}, "standardise"], 35, np.inf),
        ([{"name": "log", "upper": 400}], -np.inf, 400),
        ([{"name": "logit", "low": 30, "high": 900}], 30, 900),
    ],
)
def test_values_far_outside_of_the_training_range_come_back_or_to_the_bound(
    steps: list[Any], low: float, high: float
) -> None:
    values = np.append(VARIABLES["pt1"][VARIABLES["pt1"] < 399], [-300.0, 0.0, 34.0, 400.0, 5000.0])
    returned = _there_and_back(_fitted("pt1", *steps, values=values[:-5]), values)
    np.testing.assert_allclose(returned, np.clip(values, low, high), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("name", ["pt1", "eta1", "m_yy", "heavy", "spread", "normal"])
def test_larger_values_stay_larger(name: str) -> None:
    ordered = np.unique(VARIABLES[name])
    seen = _fitted(name).forward(ordered[:, None], np.arange(len(ordered)))[:, 0]
    assert np.all(np.diff(seen) > 0)


def test_quantiles_go_on_as_a_straight_line() -> None:
    chain = _fitted("heavy", "quantile")
    top = VARIABLES["heavy"].max()
    seen = chain.forward(np.array([[top + 10], [top + 20], [top + 30]]), np.arange(3))[:, 0]
    assert seen[2] - seen[1] == pytest.approx(seen[1] - seen[0])
    assert seen[1] > seen[0]


def _anything(n_events: int = 50_000) -> FloatArray:
    """What a network might return, sensible or not."""
    return np.random.default_rng(5).normal(0, 2, (n_events, 1))


def test_nothing_comes_back_into_the_crack() -> None:
    eta = np.abs(_fitted("eta1").inverse(_anything())[:, 0])
    written = eta.astype(np.float32).astype(np.float64)
    assert not np.any((written > 1.37) & (written < 1.52))
    assert np.all(written <= 2.37)
    assert np.mean(eta > 1.52) > 0.1


def test_nothing_comes_back_below_a_cut() -> None:
    for pt in (_fitted("pt1"), _fitted("pt1", {"name": "log", "shift": -35}, "quantile")):
        assert np.all(pt.inverse(_anything()).astype(np.float32) >= 35)


def test_zeros_come_back_as_zeros_and_the_gap_above_stays_empty() -> None:
    isolation = _fitted("isolation").inverse(_anything())[:, 0]
    assert np.mean(isolation == 0) > 0.1
    assert np.all((isolation == 0) | (isolation.astype(np.float32) >= np.float32(0.8)))


def test_integers_come_back_as_integers() -> None:
    n_jets = _fitted("n_jets").inverse(_anything())[:, 0]
    assert set(n_jets) == set(VARIABLES["n_jets"])


@pytest.mark.parametrize("name", ["phi1", "dphi"])
def test_angles_come_back_between_minus_pi_and_pi(name: str) -> None:
    angles = _fitted(name).inverse(10 * _anything())
    assert np.all((angles > -np.pi) & (angles <= np.pi))


def test_an_angle_in_another_convention_is_the_same_angle() -> None:
    chain = _fitted("phi1", "periodic")
    returned = _there_and_back(chain, np.array([1.0, 1.0 + 2 * np.pi, 5.0]))
    np.testing.assert_allclose(returned, [1.0, 1.0, 5.0 - 2 * np.pi], atol=1e-8)


def test_seam_is_cut_where_no_events_are() -> None:
    peaked = _fitted("dphi", "periodic").chains[0].to_json()["steps"][0]
    flat = _fitted("phi1", "periodic").chains[0].to_json()["steps"][0]
    assert abs(peaked["seam"]) < 1.6
    assert flat["seam"] == -np.pi


def test_an_angle_relative_to_another_follows_it() -> None:
    values = np.stack(
        [VARIABLES["phi1"], (VARIABLES["phi1"] + VARIABLES["dphi"] + np.pi) % (2 * np.pi) - np.pi], axis=1
    )
    settings = _settings(phi1="periodic", phi2={"name": "periodic", "relative_to": "phi1"})
    both = Preprocessing.fit(["phi1", "phi2"], settings, Events.of(values), seed=1)
    seen = both.forward(values, IDS)
    np.testing.assert_allclose(both.inverse(seen), values, atol=1e-8)
    assert abs(float(np.corrcoef(seen[:, 0], seen[:, 1])[0, 1])) < 0.05
    turned = both.inverse(both.forward(values + 0.1, IDS)) - values
    np.testing.assert_allclose((turned + np.pi) % (2 * np.pi) - np.pi, 0.1, atol=1e-7)


def test_back_to_back_angles_are_proposed_relative_to_one_another() -> None:
    phi1, dphi = VARIABLES["phi1"], VARIABLES["dphi"]
    values = np.stack([phi1, VARIABLES["pt1"], (phi1 + dphi + np.pi) % (2 * np.pi) - np.pi, phi1[::-1]], axis=1)
    names = ["phi1", "pt1", "phi2", "phi_met"]
    fitted = Preprocessing.fit(names, {}, Events.of(values), seed=1)
    assert [chain.relative_to for chain in fitted.chains] == [None, None, "phi1", None]
    np.testing.assert_allclose(fitted.inverse(fitted.forward(values, IDS)), values, atol=1e-8)
    by_hand = Preprocessing.fit(names, _settings(phi2="periodic"), Events.of(values), seed=1)
    assert [chain.relative_to for chain in by_hand.chains] == [None] * 4


def test_an_angle_relative_to_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"relative_to 'phi7' is no other angle; .*'phi1'"):
        Preprocessing.fit(
            ["phi1", "phi2"],
            _settings(phi2={"name": "periodic", "relative_to": "phi7"}),
            Events.of(np.zeros((10, 2))),
            seed=1,
        )


def test_noise_of_zeros_belongs_to_the_event() -> None:
    chain = _fitted("isolation")
    values = np.zeros((N_EVENTS, 1))
    whole: FloatArray = chain.forward(values, IDS)
    np.testing.assert_array_equal(chain.forward(values[100:200], IDS[100:200]), whole[100:200])
    assert len(np.unique(whole)) == N_EVENTS
    assert not np.any(chain.forward(values, IDS, seed=4) == whole)


def test_result_does_not_depend_on_chunks() -> None:
    names = [name for name in VARIABLES if name != "constant"]
    values = np.stack([VARIABLES[name] for name in names], axis=1)
    chains = Preprocessing.fit(names, {}, Events.of(values), seed=1)
    whole = chains.forward(values, IDS)
    pieces = [chains.forward(values[at : at + 7], IDS[at : at + 7]) for at in range(0, 700, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[:700])
    back = [chains.inverse(whole[at : at + 7]) for at in range(0, 700, 7)]
    np.testing.assert_array_equal(np.concatenate(back), chains.inverse(whole)[:700])


def test_what_was_fitted_survives_json_to_the_last_bit() -> None:
    values = np.stack(list(VARIABLES.values()), axis=1)
    chains = Preprocessing.fit(list(VARIABLES), {}, Events.of(values), seed=1)
    again = Preprocessing.from_json(json.loads(json.dumps(chains.to_json())))
    seen = chains.forward(values, IDS)
    np.testing.assert_array_equal(again.forward(values, IDS), seen)
    np.testing.assert_array_equal(again.inverse(seen), chains.inverse(seen))


@pytest.mark.parametrize("step", [{"name": "nosuch"}, {"name": "log", "shift": 1.0}, {}])
def test_a_state_that_is_no_step_is_refused(step: dict[str, Any]) -> None:
    chain = {"name": "x", "relative_to": None, "proposed": True, "limits": [None] * 4, "steps": [step]}
    with pytest.raises(ValueError, match="is no step"):
        Preprocessing.from_json({"seed": 1, "chains": [chain]})


def test_weights_count() -> None:
    values = np.concatenate([np.random.default_rng(1).normal(0, 1, 5000), np.random.default_rng(2).normal(9, 1, 5000)])
    weights = np.repeat([1.0, 1e-9], 5000)
    sample = Events.of(values[:, None], weights=weights)
    for step in ("standardise", "quantile"):
        chain = Preprocessing.fit(["x"], _settings(x=[step]), sample, seed=1)
        seen = chain.forward(values[:5000, None], np.arange(5000))
        assert np.mean(seen) == pytest.approx(0, abs=0.05)
        assert np.std(seen) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pt1", ["log", "quantile"]),
        ("eta1", ["gaps", "logit", "quantile"]),
        ("phi1", ["periodic"]),
        ("dphi", ["periodic", "quantile"]),
        ("isolation", ["gaps", "dequantise", "log", "quantile"]),
        ("signed_isolation", ["dequantise"]),
        ("m_yy", ["logit"]),
        ("normal", ["standardise"]),
        ("heavy", ["quantile"]),
        ("n_jets", ["gaps", "dequantise"]),
    ],
)
def test_proposal_sees_what_a_physicist_sees(name: str, expected: list[str]) -> None:
    # An angle is recognised by its name; the others by their values.
    fitted = _fitted(name.replace("dphi", "delta_phi"), values=VARIABLES[name])
    steps = [step["name"] for step in fitted.to_json()["chains"][0]["steps"]]
    assert steps[: len(expected)] == expected


def test_two_modes_stay_as_far_apart_as_they_are() -> None:
    rng = np.random.default_rng(5)
    values = np.where(rng.random(N_EVENTS) < 0.5, -1.5, 1.5) + 0.5 * rng.normal(size=N_EVENTS)
    chain = _fitted("modes", values=values)
    assert [step["name"] for step in chain.to_json()["chains"][0]["steps"]] == ["standardise"]
    seen = chain.forward(values[:, None], IDS)[:, 0]
    assert seen == pytest.approx((values - values.mean()) / values.std(), rel=0.02, abs=0.02)


def test_edges_are_rounded_to_the_cuts_that_made_them() -> None:
    gaps, logit = _fitted("eta1").to_json()["chains"][0]["steps"][:2]
    np.testing.assert_allclose(gaps["low"] + gaps["high"], [-1.52, 1.37, -1.37, 1.52], rtol=1e-6)
    assert logit["low"] == pytest.approx(-2.37, rel=1e-6)
    assert _fitted("pt1").to_json()["chains"][0]["steps"][0]["shift"] == -35


def test_events_in_a_gap_are_told() -> None:
    chains = _fitted("eta1")
    np.testing.assert_array_equal(chains.excludes(np.array([[1.45], [0.3], [-1.4], [2.0]])), [True, False, True, False])


def test_a_blinded_region_of_the_context_stays_between_what_is_beside_it() -> None:
    rng = np.random.default_rng(1)
    mass = rng.uniform(3200, 3800, 20_000)
    sidebands = mass[np.abs(mass - 3500) > 100][:, None]
    chains = Preprocessing.fit(["m"], {}, Events.of(sidebands), seed=1, propose=propose_context_steps)
    grid = np.linspace(3000, 4000, 201)[:, None]
    mapped = chains.forward(grid, np.arange(len(grid)))[:, 0]
    np.testing.assert_allclose(np.diff(mapped), np.diff(mapped)[0], rtol=1e-6)
    assert not chains.excludes(grid).any()


def test_a_number_of_jets_as_context_is_not_spread() -> None:
    jets = np.random.default_rng(2).poisson(2.0, 5000).astype(np.float64)[:, None]
    chains = Preprocessing.fit(["n_jets"], {}, Events.of(jets), seed=1, propose=propose_context_steps)
    mapped = chains.forward(jets, np.arange(len(jets)))[:, 0]
    assert len(np.unique(mapped)) == len(np.unique(jets))


@pytest.mark.parametrize("steps", [None, ["standardise"], ["dequantise", "quantile"]])
@pytest.mark.parametrize(("name", "bounds"), [("normal", (0, 11)), ("n_jets", (0, 12)), ("pt1", (35, None))])
def test_bounds_that_are_declared_shape_the_steps(name: str, bounds: Any, steps: list[str] | None) -> None:
    values = np.clip(VARIABLES[name], *bounds)
    settings = _settings(**{name: {"bounds": bounds, "steps": steps}})
    chains = Preprocessing.fit([name], settings, Events.of(values[:, None]), seed=1)
    assert _relative_error(values, _there_and_back(chains, values)) < 1e-6
    if steps is None:
        back = chains.inverse(3 * _anything())[:, 0]
        np.testing.assert_array_equal(back, np.clip(back, *bounds))


def test_steps_of_one_sample_alone_know_its_edge() -> None:
    rng = np.random.default_rng(7)
    one, other = rng.normal(0.5, 1, (5000, 1)), np.abs(rng.normal(size=(5000, 1)))
    both = Preprocessing.fit(["x"], {}, Events.of(np.concatenate([one, other])), seed=1)
    own = both.refitted(["x"], {}, Events.of(other))
    assert np.all(own.inverse(10 * _anything()) >= 0)
    assert np.mean(both.inverse(_anything()) < 0) > 0.1
    assert (both.same_as(both).tolist(), both.same_as(own).tolist()) == ([True], [False])


def _close_by(seed: int, *, with_placeholder: bool = False) -> Events:
    """An angle, and another that is near to it but never nearer than 0.3."""
    rng = np.random.default_rng(seed)
    apart = rng.choice([-1, 1], N_EVENTS) * rng.uniform(0.3, 0.8, N_EVENTS)
    first = rng.uniform(-np.pi, np.pi, N_EVENTS)
    second = np.angle(np.exp(1j * (first + apart)))
    return Events.of(np.stack([np.where(with_placeholder & (IDS % 30 == 0), -999.0, first), second], axis=1))


def test_a_gap_between_two_angles_is_one_of_their_difference() -> None:
    near = _close_by(1)
    fitted = Preprocessing.fit(["phi1", "phi2"], {}, near, 3)
    assert [chain.relative_to for chain in fitted.chains] == [None, "phi1"]
    assert not fitted.excludes(near.features).any()
    assert fitted.excludes(near.features[:, [0, 0]]).all()


@pytest.mark.parametrize("spoilt", [False, True])
def test_an_angle_of_one_sample_is_cut_open_in_both_or_in_none(spoilt: bool) -> None:
    """A placeholder in one sample makes its angle a variable like any other."""
    source, target = _close_by(1), _close_by(2, with_placeholder=spoilt)
    both = Preprocessing.fit(["phi1", "phi2"], {}, Events.concatenate([source, target]), 3)
    assert both.chains[0].is_angle != spoilt
    for sample in (source, target):
        own = both.refitted(both.names, {}, sample)
        assert [chain.is_angle for chain in own.chains] == [chain.is_angle for chain in both.chains]
        assert [chain.relative_to for chain in own.chains] == [chain.relative_to for chain in both.chains]


def test_an_angle_that_is_relative_to_another_by_hand_is_left_out_of_steps_of_one_sample_alone() -> None:
    settings = _settings(phi1="periodic", phi2={"name": "periodic", "relative_to": "phi1"})
    both = Preprocessing.fit(["phi1", "phi2"], settings, _close_by(1), 3)
    assert both.refitted(["phi2"], settings, _close_by(2)).same_as(both).all()


@pytest.mark.parametrize(("sign", "name"), [(1.0, "log"), (-1.0, "log")])
def test_an_edge_on_one_side_is_never_left(sign: float, name: str) -> None:
    values = sign * np.abs(VARIABLES["heavy"])
    chains = _fitted("x", values=values)
    assert chains.to_json()["chains"][0]["steps"][0]["name"] == name
    assert np.all(sign * chains.inverse(10 * _anything()) >= 0)
    assert _relative_error(values, _there_and_back(chains, values)) < 1e-6


EDGES: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "hard, no round number": lambda rng, n: 35.00713 + rng.exponential(30, n),
    "soft": lambda rng, n: 20 + rng.gamma(2, 5, n),
    "soft on both sides": lambda rng, n: rng.beta(2, 2, n),
}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", EDGES)
def test_events_beyond_an_edge_that_training_missed_are_not_far_away(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = EDGES[name](rng, 4000).astype(np.float32).astype(np.float64)
    fresh = EDGES[name](rng, 4000)
    assert np.max(np.abs(_fitted("x", values=values).forward(fresh[:, None], IDS[:4000]))) < 6


def _above_35(rng: np.random.Generator, n_events: int) -> FloatArray:
    """A momentum that a region cuts where it comes from another variable too."""
    pt = rng.uniform(100, 180, 4 * n_events) * (0.25 + 0.15 * rng.gamma(2, 1, 4 * n_events))
    return np.asarray(pt[pt > 35][:n_events])


@pytest.mark.parametrize(
    ("draw", "seeds"),
    [(_above_35, (5, 37)), (lambda rng, n: rng.exponential(30, n) + 35, (13, 93)), (EDGES["soft"], (20, 31)),
     (lambda rng, n: 1 / 3 + 0.2 * rng.exponential(1, n), (54, 81))],
)  # fmt: skip
def test_held_out_events_are_as_likely_as_those_of_training_where_a_region_cuts_a_variable(
    draw: Callable[[np.random.Generator, int], FloatArray], seeds: tuple[int, ...]
) -> None:
    for seed in seeds:  # in which a held-out event lies beyond the edge of the training part, or close to it
        rng = np.random.default_rng(seed)
        seen, fresh = (draw(rng, n_events).astype(np.float32).astype(np.float64) for n_events in (3000, 500))
        chains = _fitted("x", values=seen)
        squares = [np.mean(chains.forward(its[:, None], np.arange(len(its))) ** 2) for its in (seen, fresh)]
        assert 0.5 * (squares[1] - squares[0]) < 0.3  # of -log of the normal density; .1 by chance
