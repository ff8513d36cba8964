"""Files on servers: an outage ends with its own exit code, and only a file that is itself bad is left out."""

from __future__ import annotations

import contextlib
import errno
import http.client
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from simmorph.data.ntuples import servers
from simmorph.data.ntuples.contents import describe
from simmorph.data.ntuples.files import expand_inputs
from simmorph.errors import InputError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Outcome

# uproot leaves the connections of failed requests to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CONTENT = (Path(__file__).parents[1] / "files" / "data_A_10events.GamGam.root").read_bytes()
Answer = int | bytes
"""A status, or the content of a file."""


class Server:
    """Serves ranges of files over HTTP, and goes away when it is told to.

    Args:
        answer: what it says of the file of a name.
    """

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send(with_body=False)

            def do_GET(self) -> None:
                self.send(with_body=True)

            def send(self, *, with_body: bool) -> None:
                found = answer(Path(self.path).name)
                if isinstance(found, int):
                    self.send_response(found)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                bounds = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                part = found[int(bounds[1]) : int(bounds[2]) + 1] if bounds else found
                self.send_response(206 if bounds else 200)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                if with_body:
                    self.wfile.write(part)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "DELAYS_S", (0.01, 0.02))


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str], Answer]], Server]]:
    started = []

    def start(answer: Callable[[str], Answer]) -> Server:
        started.append(Server(answer))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def select(simmorph: Callable[..., Outcome], server: Server, output: Path, n_files: int = 12) -> Outcome:
    urls = [f"{server.url}/f{i}.root" for i in range(n_files)]
    given = ("--selection", "diphoton-demo", "--on-bad-file", "skip", "-o", output)
    return simmorph("select", *urls, *given)


def test_a_server_that_dies_is_no_bad_file(
    serve: Callable[..., Server], simmorph: Callable[..., Outcome], tmp_path: Path
) -> None:
    def answer(name: str) -> Answer:
        if name == "f3.root":
            server.http.socket.close()  # nothing is accepted any more
            return 503
        return CONTENT

    server = serve(answer)
    outcome = select(simmorph, server, tmp_path / "out.root")
    assert outcome.code == 75
    assert outcome.stderr.splitlines()[-1].startswith(f"simmorph: {server.url}/f3.root: the server cannot be read from")
    assert "skipped" not in outcome.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
def test_a_server_that_refuses_is_no_bad_file(
    serve: Callable[..., Server], simmorph: Callable[..., Outcome], tmp_path: Path, status: int
) -> None:
    server = serve(lambda name: status if name == "f1.root" else CONTENT)
    outcome = select(simmorph, server, tmp_path / "out.root", 3)
    assert outcome.code == 75
    assert f"{status}" in outcome.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_what_is_itself_bad_is_left_out(
    serve: Callable[..., Server], simmorph: Callable[..., Outcome], tmp_path: Path
) -> None:
    cut_short = CONTENT[: len(CONTENT) - 100]
    bad: dict[str, Answer] = {"f0.root": 404, "f1.root": b"<html>" * 99, "f2.root": cut_short}
    server = serve(lambda name: bad.get(name, CONTENT))
    outcome = select(simmorph, server, tmp_path / "out.root", 4)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.count("skipped http") == 3
    assert describe(str(tmp_path / "out.root"), "events").n_entries == 10


def test_an_outage_that_passes_costs_nothing_but_time(serve: Callable[..., Server]) -> None:
    asked: list[str] = []

    def answer(name: str) -> Answer:
        asked.append(name)
        return 503 if len(asked) < 3 else CONTENT

    server = serve(answer)
    assert describe(f"{server.url}/a.root", "mini").n_entries == 10


def test_nobody_there_is_an_outage(serve: Callable[..., Server]) -> None:
    server = serve(lambda name: CONTENT)
    server.stop()
    server.stop = lambda: None  # type: ignore[method-assign]
    with pytest.raises(UnreachableError, match="ConnectionRefusedError"):
        describe(f"{server.url}/a.root", "mini")


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (http.client.IncompleteRead(b""), True),
        (http.client.RemoteDisconnected("line"), True),
        (ssl.SSLError("CERTIFICATE_VERIFY_FAILED"), True),
        (OSError(errno.ENOTCONN, "Transport endpoint is not connected"), True),
        (OSError(errno.ESTALE, "Stale file handle"), True),
        (OSError("XRootD error: [FATAL] Connection error"), True),
        (OSError("XRootD error: [FATAL] Auth failed"), True),
        (OSError("XRootD error: [FATAL] Invalid address"), True),
        (OSError("File did not read properly: [ERROR] Operation expired"), True),
        (OSError("File did not open properly: [ERROR] Server responded with an error: [3012] Internal error"), True),
        (OSError("File did not open properly: [ERROR] Server responded with an error: [3011] No such file"), False),
        (OSError("expected Chunk of length 100, received only 50 bytes"), False),
        (OSError(errno.EIO, "Input/output error"), False),
        (FileNotFoundError("file not found (HTTP(S) returned 404)"), False),
        (http.client.HTTPException("HTTP response was 416, rather than 206"), False),
        (http.client.HTTPException("response headers did not include content-length: {}"), False),
        (ValueError("not a ROOT file"), False),
    ],
    ids=repr,
)
def test_an_outage_is_told_from_a_bad_file(error: Exception, is_outage: bool) -> None:
    of_uproot = RuntimeError("uproot says something else")
    of_uproot.__cause__ = error
    with pytest.raises(UnreachableError if is_outage else InputError), servers.told("root://a//b.root"):
        raise of_uproot


@pytest.fixture
def memory() -> Iterator[Any]:
    """A server of another protocol than HTTP, which can list its folders."""
    system = fsspec.filesystem("memory")
    for name in ("f10.root", "f2.root", "notes.txt", "deep/f1.root"):
        system.pipe(f"/store/{name}", CONTENT)
    yield system
    system.rm("/store", recursive=True)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("memory://store", ["f2.root", "f10.root"]),
        ("memory://store/", ["f2.root", "f10.root"]),
        ("memory://store/*.root", ["f2.root", "f10.root"]),
        ("memory://store/f1*.root", ["f10.root"]),
        ("memory://store/**/f1.root", ["deep/f1.root"]),
        ("memory://store/f2.root", ["f2.root"]),
        ("memory://store/notes.txt", ["notes.txt"]),
    ],
)
def test_folders_and_globs_on_servers_are_expanded(memory: Any, given: str, names: list[str]) -> None:
    found = expand_inputs([given])
    assert [path.split("store/")[1] for path in found] == names
    if names[0].endswith(".root"):
        assert describe(found[0], "mini").n_entries == 10


def test_a_glob_that_matches_nothing_is_bad_input(memory: Any) -> None:
    with pytest.raises(InputError, match="no file there"):
        expand_inputs(["memory://store/*.csv"])


def test_a_server_that_does_not_list_is_no_empty_folder(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("Server failed to provide directory info: [FATAL] Connection error")

    with contextlib.ExitStack() as stack:
        stack.enter_context(monkeypatch.context()).setattr(type(memory), "ls", refuse)
        stack.enter_context(pytest.raises(UnreachableError, match="run it again later"))
        expand_inputs(["memory://store/*.root"])
