"""Run the jobs of a submit file here, one after the other, as HTCondor would.

    python run_locally.py FILE.sub [ARGUMENT...]

Each job gets a scratch folder with nothing in it but what `transfer_input_files` names, is started again for as long
as it exits with `checkpoint_exit_code`, and only what `transfer_output_files` names comes home. Only what the submit
files of this folder use is understood. Further arguments are given to every job.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(submit_file: str, *more: str) -> int:
    text = Path(submit_file).read_text()
    for process, macros in enumerate(queued(text)):
        job = commands(text, {**macros, "ClusterId": "0", "Process": str(process), "ProcId": str(process)})
        code, restarts = run_job(job, more)
        print(f"{submit_file} job {process}: exit code {code} after {restarts} restarts", flush=True)
        if code:
            return code
    return 0


def queued(text: str) -> Iterator[dict[str, str]]:
    """The macros of each job that the queue statement asks for."""
    words = text.rstrip().splitlines()[-1].split()
    if words == ["queue"]:
        yield {}
    elif words[2:4] == ["matching", "files"]:
        for path in sorted(Path().glob(words[4])):
            yield {words[1]: str(path)}
    else:
        names = [word.rstrip(",") for word in words[1:-2]]
        for line in Path(words[-1]).read_text().splitlines():
            yield dict(zip(names, line.split(), strict=True))


def commands(text: str, macros: dict[str, str]) -> dict[str, str]:
    """The submit commands, with $(macro), $Fnx(macro) (name and extension of a path) and $ENV(name) filled in."""
    text = re.sub(r"\$\((\w+)\)", lambda found: macros[found[1]], text)
    text = re.sub(r"\$Fnx\((\w+)\)", lambda found: Path(macros[found[1]]).name, text)
    text = re.sub(r"\$ENV\((\w+)\)", lambda found: os.environ[found[1]], text)
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip().strip('"') for key, value in (line.split("=", 1) for line in lines)}


def run_job(job: dict[str, str], more: tuple[str, ...]) -> tuple[int, int]:
    """The exit code of a job and how often it was started again."""
    with tempfile.TemporaryDirectory() as scratch:
        for path in [job["executable"], *listed(job, "transfer_input_files")]:
            copy(Path(path), Path(scratch) / Path(path).name)
        command = [f"./{job['executable']}", *shlex.split(job["arguments"]), *more]
        environment = {**os.environ, **dict([job["environment"].split("=", 1)]), "_CONDOR_SCRATCH_DIR": scratch}
        restarts = 0
        while True:
            with Path(job["output"]).open("w") as output, Path(job["error"]).open("a") as error:
                code = subprocess.run(
                    command, cwd=scratch, env=environment, stdout=output, stderr=error, check=False
                ).returncode
            if str(code) != job.get("checkpoint_exit_code"):
                break
            keep_only(Path(scratch), job, [job["executable"], *listed(job, "transfer_checkpoint_files")])
            restarts += 1
        if code == 0:
            fetch(Path(scratch), job)
    return code, restarts


def keep_only(scratch: Path, job: dict[str, str], names: list[str]) -> None:
    """The scratch folder of a job that starts again on another machine: its checkpoint and its inputs."""
    inputs = [Path(path).name for path in listed(job, "transfer_input_files")]
    for name in names:
        if not (scratch / name).exists():
            sys.exit(f"HTCondor would put this job on hold: {name} is not there")
    for path in scratch.iterdir():
        if path.name not in {*names, *inputs}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def fetch(scratch: Path, job: dict[str, str]) -> None:
    """Take the outputs of a job home."""
    remaps = dict(re.findall(r"([^\s;]+)\s*=\s*([^\s;]+)", job.get("transfer_output_remaps", "")))
    for name in listed(job, "transfer_output_files"):
        if not (scratch / name).exists():
            sys.exit(f"HTCondor would put this job on hold: {name} is not there")
        copy(scratch / name, Path(remaps.get(name, name)))


def listed(job: dict[str, str], command: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", job.get(command, "")) if name]


def copy(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, dirs_exist_ok=True)
    else:
        shutil.copy2(source, destination)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
