"""The command line as a whole: help, exit codes, one line for a mistake and a traceback for a bug."""

from __future__ import annotations

import errno
import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from simmorph import errors
from simmorph.cli.main import COMMANDS, Commands, keep_to_scratch, run, share_cores, simmorph

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CODES = {
    errors.SimmorphError: 1,
    errors.UsageError: 2,
    errors.ConfigError: 3,
    errors.InputError: 4,
    errors.EmptySelectionError: 5,
    errors.UnreachableError: 75,
    errors.Checkpointed: 85,
}


def test_every_error_has_the_documented_exit_code() -> None:
    assert {kind: kind.exit_code for kind in EXIT_CODES} == EXIT_CODES


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(Commands, "get_command", lambda *_: click.Command("toy", callback=command))


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_a_mistake_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[errors.SimmorphError]
) -> None:
    raising(monkeypatch, kind("a.root", "evil \x1b[31m\nname", "mend it"))
    assert run(["toy"]) == kind.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "simmorph: a.root: evil \\x1b[31m name; mend it\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(["toy"])


def test_an_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert run(["toy"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["tran"], "did you mean 'train'?"), (["--nope"], "--nope"), (["toy", "--nope"], "--nope")],
)
def test_wrong_usage_is_one_line_and_code_2(simmorph: Callable[..., Any], arguments: list[str], says: str) -> None:
    outcome = simmorph(*arguments)
    assert outcome.code == 2
    assert says in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


def test_without_a_command_there_is_the_whole_help(simmorph: Callable[..., Any]) -> None:
    outcome = simmorph()
    assert outcome == (0, simmorph("--help").stdout, "")
    assert all(f"\n  {name} " in outcome.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    module = importlib.import_module(f"simmorph.cli.{name}")
    command: click.Command = getattr(module, f"{name}_command")
    context = click.Context(command, info_name=f"simmorph {name}")
    text = command.get_help(context)
    assert f"simmorph {name}" in text.split("Options:")[0].split("\n", 1)[1], "an example stands in the help"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.name} says what it does"
            assert all("_" not in option for option in parameter.opts)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json_on_request(name: str) -> None:
    command = simmorph.get_command(click.Context(simmorph), name)
    assert command is not None
    assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_a_job_keeps_its_temporary_files_in_its_scratch_folder() -> None:
    environment = {"_CONDOR_SCRATCH_DIR": "/scratch/dir_7", "TMPDIR": "/chosen"}
    keep_to_scratch(environment)
    assert environment["TMPDIR"] == "/chosen"
    assert environment["MPLCONFIGDIR"] == "/scratch/dir_7/matplotlib"
    elsewhere = {"HOME": "/users/me"}
    keep_to_scratch(elsewhere)
    assert elsewhere == {"HOME": "/users/me"}


def test_waiting_threads_sleep_unless_the_user_says_otherwise() -> None:
    environment: dict[str, str] = {}
    share_cores(environment)
    assert environment == {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
    environment = {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "2"}
    share_cores(environment)
    assert environment == {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "2"}


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-m", "simmorph", "--help"]
    times = []
    for _ in range(3):
        start = os.times()
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        end = os.times()
        times.append(end.children_user + end.children_system - start.children_user - start.children_system)
    assert "evaluate" in printed
    assert min(times) < 0.5


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_imports_nothing_heavy(name: str) -> None:
    heavy = "{'torch', 'uproot', 'pyhf', 'matplotlib', 'sklearn', 'scipy', 'xgboost'}"
    code = (
        "import sys; from simmorph.cli.main import run; "
        f"run({[part for part in (name, '--help') if part]!r}); print('HEAVY', {heavy} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.rstrip().endswith("HEAVY set()")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "simmorph", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "stdout: no space left on device" in done.stderr


@pytest.mark.parametrize("streams", ["| head -n 1 >/dev/null", "2>&1 | head -n 1 >/dev/null"])
def test_a_reader_that_has_what_it_wants_is_no_failure(streams: str) -> None:
    """As in `simmorph schema recipe | head`; bash tells the exit code of the first command of a pipe."""
    repeated = f"{sys.executable} -c 'import sys, click; from simmorph.cli import main; {MANY_LINES}'"
    done = subprocess.run(
        ["bash", "-c", f"{repeated} {streams}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


MANY_LINES = (
    "main.Commands.get_command = lambda *_: click.Command("
    '"toy", callback=lambda: [click.echo("x" * 100_000) for _ in range(100)]); main.main(["toy"])'
)


def test_the_work_goes_on_when_nobody_listens_to_its_notes() -> None:
    code = "from simmorph.cli.parts.options import note; [note('x' * 100_000) for _ in range(9)]; print('done')"
    command = f"{sys.executable} -c {shlex.quote(code)} 2> >(head -c 10 >/dev/null)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_another_pipe_that_breaks_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    with pytest.raises(RuntimeError, match="a pipe to another process broke"):
        run(["toy"])


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENAMETOOLONG, errno.EROFS, errno.EDQUOT])
def test_what_is_wrong_with_the_machine_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    raising(monkeypatch, OSError(code, os.strerror(code), "/eos/out.root"))
    assert run(["toy"]) == 1
    assert (
        capsys.readouterr().err == f"simmorph: /eos/out.root: {os.strerror(code).lower()}; mend that and run it again\n"
    )


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}


def test_an_ascii_terminal_shows_escapes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simmorph", "check", "--config", str(tmp_path / "H\u2192\u03b3\u03b3.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ASCII})
    assert done.returncode == 3
    assert done.stderr.endswith("no such file or directory; name an existing YAML file\n")
    assert done.stderr.isascii()
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["limits -", "select - --selection diphoton-demo -o x.root"])
def test_a_closed_stdin_is_one_line(arguments: str) -> None:
    command = f"{sys.executable} -m simmorph {arguments} <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        4,
        "simmorph: stdin: is closed; pipe something into the command, or name a file\n",
    )
