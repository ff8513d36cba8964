"""The model, its training and the origin of the samples in words.

All functions take the JSON of a model's card and of a report, so that a page can be made of a folder without the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simmorph.evaluation.report.tables import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STEP_WORDS = {
    "standardise": "shifted and scaled to mean 0 and standard deviation 1",
    "log": "logarithm",
    "logit": "logit between its bounds",
    "quantile": "turned into a normal distribution by its quantiles",
    "periodic": "angle on a circle, cut open and turned into a normal variable",
    "dequantise": "repeated values spread by noise",
    "gaps": "stretches without events closed",
}
"""What each step of preprocessing does."""
KINDS = {
    "morph": "moves the features of events",
    "reweight": "changes the weights of events",
    "generate": "draws new events",
}


def history_table(history: Mapping[str, Any]) -> Table:
    """One row for each stage of the training."""
    rows: list[list[Cell]] = [
        [stage, str(record["epochs"]), str(record["best_epoch"] or ""), *_pace(record), f"{record['seconds']:.1f}"]
        for stage, record in history.items()
    ]
    heads = ["stage", "epochs", "epoch kept", "steps of each", "batch", "learning rate", "seconds"]
    return Table("Stages of training.", heads, rows)


def _pace(record: Mapping[str, Any]) -> list[str]:
    """Steps of an epoch, events of a batch, learning rate; empty where nothing was learnt by steps."""
    pace = record.get("pace")
    return [f"{pace[key]:g}" for key in ("epoch_steps", "batch_size", "learning_rate")] if pace else ["", "", ""]


def model_in_words(model: Mapping[str, Any], history: Mapping[str, Any]) -> dict[str, Any]:
    """The model's card: facts by name, a row for each variable, and warnings."""
    return {"facts": _facts(model, history), "variables": _variables(model), "warnings": model["warnings"]}


def _facts(model: Mapping[str, Any], history: Mapping[str, Any]) -> dict[str, str]:
    """Facts of the card by their names for people; an empty one is not shown."""
    learning = model["learning"]
    training = learning["training"]
    seconds = sum(record["seconds"] for record in history.values())
    return {
        "Reweighting before": _settings(learning["reweight"]) if learning["reweight"] else "",
        "Method": f"{_settings(learning['method'])}: {KINDS[model['kind']]}",
        "Then": _settings(learning["method"]["then"]) if learning["method"].get("then") else "",
        "Trained in": learning["region"] or "all events",
        "Source": _sample(model["source"]),
        "Target": _sample(model["target"]),
        "Kept apart": f"{training['validation']:.0%} to stop training in time, {training['holdout']:.0%} held out for "
        "this report",
        "Training": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in _options(training).items()),
        "Training took": f"{seconds:,.1f} s",
        "Seed": f"{training['seed']}",
        "Numbers of the map": ", ".join(
            f"{name.replace('_', ' ')} {value:.4g}" for name, value in model["numbers"].items()
        ),
        "Written by": ", ".join(f"{name} {version}" for name, version in model["versions"].items()),
        "Tensors": f"sha256 {model['tensors_sha256']}",
    }


def _options(training: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the training that a reader asks for first, those without a value left out."""
    shown = ("epochs", "batch_size", "learning_rate", "optimizer", "schedule", "patience", "select_on", "device")
    return {key: training[key] for key in shown if training.get(key) is not None}


def _settings(settings: Mapping[str, Any]) -> str:
    """A method with its options."""
    options = ", ".join(f"{key}: {_value(value)}" for key, value in settings.items() if key not in {"name", "then"})
    return f"{settings['name']} ({options or 'default options'})"


def _value(value: Any) -> str:
    """An option's value as text, mappings in braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(its)}" for key, its in value.items()) + "}"
    return str(value)


def _sample(record: Mapping[str, Any]) -> str:
    """Size and origin of a training sample; without files it came as arrays."""
    if not record["n_events"]:
        return "none"
    files = ", ".join(file["path"] for file in record["files"]) or "arrays"
    return f"{record['n_events']:,} events, sum of weights {record['sum_of_weights']:,.6g}, from {files}"


def _variables(model: Mapping[str, Any]) -> Table:
    """One row for each variable: its range in training, and its steps in words."""
    chains = {
        chain["name"]: chain
        for part in ("features", "context")
        for chain in model["preprocessing"].get(part, {}).get("chains", [])
    }
    rows: list[list[Cell]] = [
        [
            variable["name"],
            role,
            variable["unit"],
            f"{variable['low']:.5g}",
            f"{variable['high']:.5g}",
            _chain(chains.get(variable["name"])),
        ]
        for part, role in (("features", "feature"), ("context", "context"))
        for variable in model[part]
    ]
    return Table("", ["variable", "role", "unit", "from", "to", "what is done to it first"], rows)


def _chain(chain: Mapping[str, Any] | None) -> str:
    """The preprocessing of one variable in words, in the order in which its steps are applied."""
    if not chain:
        return "nothing"
    steps = ", then ".join(STEP_WORDS.get(step["name"], step["name"]) for step in chain["steps"]) or "nothing"
    relative = f"taken relative to {chain['relative_to']}, " if chain["relative_to"] else ""
    return relative + steps + (" (proposed)" if chain["proposed"] else "")


def cutflow_table(path: str, lines: Sequence[Mapping[str, Any]]) -> Table:
    """What `simmorph select` has kept of one file: events, sum of weights, and the share that passes each cut."""
    rows: list[list[Cell]] = []
    before = lines[0]["events"]
    for line in lines:
        passed = f"{line['events'] / before:.1%}" if before else "-"
        error = line["sum_squares"] ** 0.5
        rows.append([line["cut"], f"{line['events']:,}", f"{line['weighted']:,.6g} ± {error:.3g}", passed])
        before = line["events"]
    return Table(path, ["cut", "events", "sum of weights", "passed"], rows)


def files_table(samples: Mapping[str, Mapping[str, str | None]]) -> Table:
    """One row for each file that was read, with its hash."""
    rows: list[list[Cell]] = [
        [sample, path, sha256 or "on a server, not hashed"]
        for sample, files in samples.items()
        for path, sha256 in files.items()
    ]
    return Table("Files that were read.", ["sample", "file", "sha256"], rows)
