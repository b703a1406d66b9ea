"""Downloading the pinned jars, from a small repository of the test's own."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.adapters.embedded import downloads
from services.adapters.embedded.cannot_start import CannotStart
from services.adapters.embedded.downloads import Jar

BODIES = {f"org/example/{name}/1/{name}-1.jar": name.encode() * 50_000 for name in ("one", "two", "three")}
JARS = [Jar(hashlib.sha256(body).hexdigest(), path) for path, body in BODIES.items()]


@dataclass
class Repository:
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answer: Callable[[str, int], bytes | int] = lambda path, _time: BODIES[path]
    """(path, times asked before) → the bytes, or a status; fewer bytes than announced cut the line."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    state = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/maven2/")
            answer = state.answer(path, state.asked[path])
            state.asked[path] += 1
            if isinstance(answer, int):
                self.send_error(answer)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODIES[path])))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/maven2"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.01)


def fetch(repository: Repository, folder: Path, stop: threading.Event | None = None) -> tuple[int, int]:
    """Bytes and files as the progress was told."""
    told = [0, 0]
    lock = threading.Lock()

    def progress(size: int, whole: int) -> None:
        with lock:
            told[0] += size
            told[1] += whole

    downloads.fetch(
        downloads.missing(JARS, folder),
        folder,
        mirror=repository.url,
        stop=stop or threading.Event(),
        progress=progress,
    )
    return told[0], told[1]


def test_the_second_time_nothing_is_missing(repository: Repository, tmp_path: Path) -> None:
    assert fetch(repository, tmp_path) == (sum(map(len, BODIES.values())), 3)
    assert downloads.missing(JARS, tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one-1.jar", "three-1.jar", "two-1.jar"]


def test_a_file_that_was_changed_on_the_disk_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    fetch(repository, tmp_path)
    (tmp_path / "two-1.jar").write_bytes(b"something else")
    assert [jar.path for jar in downloads.missing(JARS, tmp_path)] == ["org/example/two/1/two-1.jar"]
    assert fetch(repository, tmp_path) == (len(BODIES["org/example/two/1/two-1.jar"]), 1)


def test_a_line_that_is_cut_and_a_server_in_trouble_are_tried_again(
    repository: Repository, tmp_path: Path
) -> None:
    def answer(path: str, before: int) -> bytes | int:
        answers: list[bytes | int] = [BODIES[path][:60_000], 503, BODIES[path]]
        return answers[before]

    repository.answer = answer
    assert fetch(repository, tmp_path) == (sum(map(len, BODIES.values())), 3)
    assert set(repository.asked.values()) == {3}
    assert downloads.missing(JARS, tmp_path) == []


def test_other_bytes_than_pinned_are_never_kept(repository: Repository, tmp_path: Path) -> None:
    repository.answer = lambda path, _before: bytes(len(BODIES[path]))
    with pytest.raises(CannotStart, match=r"SHA-256 is .* lock/jars.txt says .*MAVEN_MIRROR"):
        fetch(repository, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert max(repository.asked.values()) == 5


def test_a_mirror_without_the_file_is_not_asked_again(repository: Repository, tmp_path: Path) -> None:
    repository.answer = lambda _path, _before: 404
    with pytest.raises(CannotStart, match=r"/maven2/org/example/.*404"):
        fetch(repository, tmp_path)
    assert set(repository.asked.values()) == {1}


def test_what_a_killed_start_left_is_swept(repository: Repository, tmp_path: Path) -> None:
    left = tmp_path / ".one-1.jar.1.part"
    left.write_bytes(b"half")
    long_ago = time.time() - 3600
    os.utime(left, (long_ago, long_ago))
    fetch(repository, tmp_path)
    assert not left.exists()


def test_a_stop_ends_it_early(repository: Repository, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert fetch(repository, tmp_path, stop)[1] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_line_that_is_none_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "jars.txt"
    lock.write_text(f"{'0' * 64}  org/a/1/a-1.jar\nnonsense\n", "utf-8")
    with pytest.raises(CannotStart, match=r"jars.txt:2 "):
        downloads.read_lock(lock)
