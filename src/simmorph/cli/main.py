"""The `simmorph` command: its group, and the one place where errors become exit codes.

`COMMANDS` lists the commands; `run` calls one of them and turns what it raises into a line on stderr and a code. `main`
is the entry point of the process: it prepares signals and environment, and exits.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from simmorph.cli.parts.streams import print_in_any_locale, silence_if_broken, until_the_reader_leaves
from simmorph.errors import SimmorphError
from simmorph.version import __version__

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

COMMANDS = {
    "toy": "Write simulated ntuples with known truth.",
    "select": "Select photon pairs into a flat ntuple.",
    "train": "Learn a map that makes the source look like the target.",
    "apply": "Write the morphed branches back to ROOT.",
    "evaluate": "Prove how good the map is.",
    "compare": "Put many methods into one table.",
    "limits": "Turn the result into upper limits.",
    "coverage": "Measure how often intervals and limits hold the truth.",
    "scan": "Scan limits over luminosity, generated events and systematics.",
    "run": "Run the whole chain, skipping what is up to date.",
    "inspect": "Show what is in a model.",
    "check": "Check a recipe and its inputs without running it.",
    "schema": "Print the JSON schema of a recipe or selection.",
}
"""Every command in the order of an analysis, with its line in `--help`; each lives in the module of its name."""

INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM


OF_THE_MACHINE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
    errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOTDIR,
}  # fmt: skip
"""Errors of the system that a user, or who runs the machine, can mend."""


class Commands(click.Group):
    """The group that imports a command when it is called, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every command, in the order of an analysis."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"simmorph.cli.{cmd_name}")
        return getattr(module, f"{cmd_name}_command")  # type: ignore[no-any-return]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the likest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from simmorph.errors import one_of

            ctx.fail(f"no such command {args[0]!r}; {one_of(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def make_context(self, *names: Any, **settings: Any) -> click.Context:
        """Parse the command line; `--help` prints."""
        with until_the_reader_leaves():
            return super().make_context(*names, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with until_the_reader_leaves():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="simmorph")
@click.pass_context
def simmorph(context: click.Context) -> None:
    """Make simulation look like data, on ROOT ntuples.

    \b
    Start here:
      simmorph toy hgg -o build/toy
      simmorph run --config cli-examples/demo/hgg.yaml

    Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failure, 2 usage, 3 configuration,
    4 input data, 5 nothing selected, 6 a verdict that --fail-on does not take, 75 a server does not answer (try
    again), 85 checkpointed, 130 interrupted, 143 terminated.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: those of the process by default.
    """
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    print_in_any_locale(sys.stdout, sys.stderr)
    keep_to_scratch(os.environ)
    share_cores(os.environ)
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; a user's mistake is one line on stderr, a bug keeps its traceback.

    Args:
        arguments: those of the process by default.

    Returns:
        The exit code: 0 done, that of a `SimmorphError`, 2 for a mistake that click finds, 130 after Ctrl-C.

    Raises:
        SystemExit: SIGTERM came, with the code 143.
    """
    try:
        simmorph.main(args=None if arguments is None else list(arguments), prog_name="simmorph", standalone_mode=False)
    except SimmorphError as error:
        _say(str(error))
        return error.exit_code
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "simmorph"
        hint = "" if "--help" in error.format_message() else f" (see '{command} --help')"
        _say(error.format_message() + hint)
        return 2
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; nothing was left half-written")
        return INTERRUPTED
    except SystemExit as stop:
        if stop.code == TERMINATED:
            _say("terminated; nothing was left half-written")
        raise
    except OSError as error:
        return _failed_by_system(error)
    return 0


def _failed_by_system(error: OSError) -> int:
    """The exit code where the machine is at fault: a full disk, a missing permission.

    Raises:
        OSError: it is another error, and so a bug.
    """
    if error.errno not in OF_THE_MACHINE:
        raise error
    _say(f"{error.filename or 'stdout'}: {(error.strerror or '').lower()}; mend that and run it again")
    return 1


def keep_to_scratch(environment: MutableMapping[str, str]) -> None:
    """Send temporary files and caches to an HTCondor job's scratch folder, which has space and is cleaned up."""
    scratch = environment.get("_CONDOR_SCRATCH_DIR")
    if scratch:
        environment.setdefault("TMPDIR", scratch)
        environment.setdefault("MPLCONFIGDIR", f"{scratch}/matplotlib")


def share_cores(environment: MutableMapping[str, str]) -> None:
    """Let threads that wait for each other sleep, and numpy's linear algebra have a single one.

    By default they spin, and where other jobs run on the same cores a training step takes five times as long, and a fit
    of limits, whose matrices are small, fifty times.
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")


def _say(message: str) -> None:
    """One printable line on stderr, whatever a file may have named its branches."""
    line = " ".join(message.split())
    try:
        click.echo("simmorph: " + "".join(c if c.isprintable() else repr(c)[1:-1] for c in line), err=True)
    except BrokenPipeError:
        silence_if_broken(sys.stderr)


def _exit_on_sigterm(signum: int, frame: Any) -> None:  # noqa: ARG001
    """Unwind the stack on SIGTERM, so that temporary files are removed."""
    raise SystemExit(128 + signum)
