"""`simmorph toy`: simulated ntuples of which the truth is known.

A toy takes the place of data wherever a method is to be tried or tested without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.parts.options import answer, command, compression_option, note, option, output_option, run_options

if TYPE_CHECKING:
    from pathlib import Path


@command("toy", short_help="Write simulated ntuples with known truth.")
@click.argument("name")
@output_option("The folder to write.", required=True)
@option(
    "--events", "n_events", type=click.IntRange(min=1), default=200_000, show_default=True, metavar="N",
    help="Events in the data and in the simulated background; the signal has N/5.",
)  # fmt: skip
@option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, metavar="S", help="Equal seeds, equal events."
)
@compression_option
@run_options
def toy_command(name: str, output: Path, *, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write simulated ntuples with known truth; NAME is hgg, one-flow, ...: a wrong name lists them all.

    hgg writes, in the layout of ATLAS Open Data 2020, data.root (photon pairs, some of them from a Higgs boson of
    125 GeV), mc_gamgam.root (a simulation of the pairs that is wrong on purpose) and mc_ggH125_gamgam.root (a
    simulation of the Higgs boson). The other toys are flat, in target.root and source.root: those of one-flow have
    four shapes, with exact zeros, at three kinematic variables.

    \b
    Example:
      simmorph toy hgg -o build/toy --events 20000 --seed 7
    """
    from simmorph.pipeline.toy import write_toy

    result = write_toy(name, output, **options)
    note(f"drew {name} with seed {options['seed']}", quiet=quiet)
    answer(result.to_json(), result.to_text(), as_json=as_json)
