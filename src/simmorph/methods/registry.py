"""Every method by its name, and how a recipe's `method:` block becomes one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

import torch
from pydantic import create_model

from simmorph.config.documents import Document, Section, validate
from simmorph.config.kind import Kind
from simmorph.config.learning import MethodSettings
from simmorph.errors import ConfigError, one_of
from simmorph.methods.base_to_data import BaseToData
from simmorph.methods.bdt import BoostedTrees
from simmorph.methods.classifier import Classifier
from simmorph.methods.cnf import UnpairedFlow
from simmorph.methods.conditional_quantile import ConditionalQuantile
from simmorph.methods.copula import Copula
from simmorph.methods.double_base import DoubleBase
from simmorph.methods.flow import FlowGenerator
from simmorph.methods.flow_matching import FlowMatching
from simmorph.methods.gan import AdversarialNetwork
from simmorph.methods.histogram import HistogramRatio
from simmorph.methods.icnn import ConvexTransport
from simmorph.methods.identity_init import IdentityInit
from simmorph.methods.mademog import Mademog
from simmorph.methods.movement_penalty import MovementPenalty
from simmorph.methods.one_flow import OneFlow
from simmorph.methods.paired import Paired
from simmorph.methods.parts.ensemble import ensemble_of
from simmorph.methods.parts.reweighted import Reweighted, ThenReweighted
from simmorph.methods.quantile import QuantileMap
from simmorph.methods.regression import Regression
from simmorph.methods.vae import VariationalAutoencoder

if TYPE_CHECKING:
    from simmorph.config.learning import Learning, NamedMethod
    from simmorph.methods.base import Method

METHODS: dict[str, type[Method]] = {
    "quantile": QuantileMap,
    "conditional_quantile": ConditionalQuantile,
    "copula": Copula,
    "icnn": ConvexTransport,
    "flow_matching": FlowMatching,
    "one_flow": OneFlow,
    "cnf": UnpairedFlow,
    "double_base": DoubleBase,
    "base_to_data": BaseToData,
    "identity_init": IdentityInit,
    "movement_penalty": MovementPenalty,
    "regression": Regression,
    "paired": Paired,
    "classifier": Classifier,
    "bdt": BoostedTrees,
    "histogram": HistogramRatio,
    "flow": FlowGenerator,
    "mademog": Mademog,
    "gan": AdversarialNetwork,
    "vae": VariationalAutoencoder,
}
"""What `method: {name: ...}` may say."""


def build_map(learning: Learning) -> Method:
    """All that is to be learnt, untrained: the method, or an ensemble of it, after the reweighting if there is one.

    Raises:
        ConfigError: there is no such method, or its options are wrong, or it cannot follow the reweighting.
    """
    reweight, context = learning.reweight, learning.context
    if find_method(learning.method.name).needs_pairs and learning.pairs is None:
        what = f"{learning.method.name!r} learns from the same events in source and target"
        raise ConfigError("method", what, "say what tells events apart, as in `pairs: [run, event]` or `pairs: entry`")
    built = build_method(learning.method, len(learning.features), len(context), learning.training.seeds)
    if reweight is None:
        return built
    columns = [context.index(name) for name in reweight.variables or context]
    reweighting = _build_reweighting(reweight, len(columns), 0, "recipe: reweight")
    if not built.kind.needs_source:
        raise ConfigError("recipe: reweight", "a generator learns from no source", "leave `reweight` out")
    return Reweighted(reweighting, columns, built)


def build_method(settings: NamedMethod, n_features: int, n_context: int, n_members: int = 1) -> Method:
    """The method that a recipe asks for, untrained; with several members an ensemble of them.

    Raises:
        ConfigError: there is no such method, it has no such option, the option is of the wrong type, or what is to be
            done then cannot follow it.
    """
    method = find_method(settings.name)
    options = validate(Document(f"method {settings.name}", settings.options), options_of(method))
    chosen = {name: getattr(options, name) for name in type(options).model_fields}
    # Layers draw their first weights on construction; no other random numbers shall depend on that.
    with torch.random.fork_rng(devices=[]):
        built = ensemble_of([method(n_features, n_context, **chosen) for _ in range(n_members)])
    then = settings.then if isinstance(settings, MethodSettings) else None
    if then is None:
        return built
    if built.kind is not Kind.MORPH:
        what = f"`then` reweights what a morph leaves over, and {settings.name!r} is none"
        raise ConfigError("method: then", what, "leave `then` out, or choose a morph, such as one_flow")
    return ThenReweighted(built, _build_reweighting(then, n_features, n_context, "method: then", n_members))


def _build_reweighting(
    settings: NamedMethod, n_features: int, n_context: int, where: str, n_members: int = 1
) -> Method:
    """A method that changes weights alone; see `build_method`."""
    built = build_method(settings, n_features, n_context, n_members)
    if built.kind is not Kind.REWEIGHT:
        what = f"{settings.name!r} is no reweighting"
        raise ConfigError(where, what, "choose a method that changes weights, such as histogram")
    return built


def find_method(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        ConfigError: there is no method of this name.
    """
    if name not in METHODS:
        raise ConfigError("method", f"unknown method {name!r}", one_of(name, METHODS))
    return METHODS[name]


def options_of(method: type[Method]) -> type[Section]:
    """The keywords of a method's constructor as a typed block, which also gives its JSON schema."""
    hints = get_type_hints(method.__init__, include_extras=True)
    keywords = inspect.signature(method).parameters.values()
    fields: dict[str, Any] = {
        keyword.name: (hints[keyword.name], keyword.default)
        for keyword in keywords
        if keyword.kind is inspect.Parameter.KEYWORD_ONLY
    }
    return create_model(method.__name__, __base__=Section, __doc__=inspect.getdoc(method), **fields)
