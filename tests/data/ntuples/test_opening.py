"""A bad file, on this machine or on a server, is one error with its place."""

from __future__ import annotations

import gc
import os
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.reading import iterate
from simmorph.errors import InputError
from tests.conftest import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parents[1] / "files"
ATLAS = str(FILES / "data_A_10events.GamGam.root")


def _damaged(raw: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(raw)
    for place in rng.integers(0, len(raw), 8):
        damaged[place] = rng.integers(256)
    return bytes(damaged[: rng.integers(len(raw) // 2, len(raw))] if rng.random() < 0.3 else damaged)


def _lengths(path: Path) -> set[int]:
    chunks = iterate(str(path), "mini", ["photon_pt", "mcWeight", "trigP"])
    return {len(column) for _, columns in chunks for column in columns.values()}


def test_every_damage_is_one_error_with_its_place(tmp_path: Path) -> None:
    """Flip bytes and cut the end off: the answer is an InputError or columns of one length, never anything else."""
    rng, path, refusals = np.random.default_rng(1), tmp_path / "bad.root", []
    for _ in range(120):
        path.write_bytes(_damaged(Path(ATLAS).read_bytes(), rng))
        try:
            lengths = _lengths(path)
        except InputError as error:
            refusals.append(str(error))
        else:
            assert len(lengths) <= 1
    assert len(refusals) > 20
    assert all(refusal.startswith(str(path)) for refusal in refusals)


def test_a_pipe_is_refused_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.root")
    with pytest.raises(InputError, match="is not a file"):
        describe(str(tmp_path / "pipe.root"))


def test_xrootd_defaults_are_set_only_where_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRD_REQUESTTIMEOUT", "77")
    monkeypatch.delenv("XRD_CONNECTIONRETRY", raising=False)
    with pytest.raises(InputError, match=r"root://nowhere.invalid//x.root"):
        describe("root://nowhere.invalid//x.root")
    assert (os.environ["XRD_REQUESTTIMEOUT"], os.environ["XRD_CONNECTIONRETRY"]) == ("77", "2")


class _RangeRequests(SimpleHTTPRequestHandler):
    """A file server that answers requests for a range of bytes, as those of open data do."""

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.exists():
            super().do_GET()
            return
        part = path.read_bytes()[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{wanted[2]}/{path.stat().st_size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_RangeRequests, directory=str(FILES))) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_on_a_web_server_is_read(server: str) -> None:
    """Uproot leaves its sockets to the garbage collector, which says so."""
    columns = read_columns([f"{server}/data_A_10events.GamGam.root"], "mini", ["met_et"])
    assert columns["met_et"].tolist() == read_columns([ATLAS], "mini", ["met_et"])["met_et"].tolist()
    with pytest.raises(InputError, match="404"):
        describe(f"{server}/missing.root")
    gc.collect()
