"""Files by name: the same answers from a folder and from fsspec, whole or not at all; errors say what to do."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from open_elsa.errors import DataError
from open_elsa.scenes.store import Store

MEMORY = "memory://store-tests/set"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = str(tmp_path / "set") if request.param == "folder" else MEMORY
    yield Store(url, pause_s=0.0, cache=tmp_path / "cache")
    memory = fsspec.filesystem("memory")
    if memory.exists("/store-tests"):
        memory.rm("/store-tests", recursive=True)


def test_what_is_written_is_read_whole_in_part_and_as_a_local_file(store: Store) -> None:
    store.write_whole("parts/a.bin", b"0123456789")
    store.write_whole("b.txt", lambda path: path.write_text("text"))
    assert store.read("parts/a.bin") == b"0123456789"
    assert store.read("parts/a.bin", 3) == b"3456789"
    assert store.read("parts/a.bin", 3, 4) == b"3456"
    assert store.read("parts/a.bin", 3, 0) == b""
    assert store.fetch("parts/a.bin").read_bytes() == b"0123456789"
    assert (store.size("parts/a.bin"), store.size("parts"), store.size("c")) == (10, None, None)
    assert store.exists("b.txt") and not store.exists("B.txt")
    assert pickle.loads(pickle.dumps(store)).read("b.txt") == b"text"


def test_lists_by_pattern_within_one_folder_and_removes(store: Store) -> None:
    assert store.list() == []
    for name in ("b.tar", "a.tar", "a.json", "in/c.tar", ".hidden.tar"):
        store.write_whole(name, b"x")
    assert store.list() == ["a.json", "a.tar", "b.tar"]
    assert store.list("*.tar") == ["a.tar", "b.tar"]
    assert store.list("in/*.tar") == ["in/c.tar"]
    store.remove("a.tar")
    store.remove("a.tar")
    assert store.list("*.tar") == ["b.tar"]


def test_a_writer_that_fails_leaves_what_was_there(store: Store) -> None:
    store.write_whole("a", b"before")

    def fill(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"No space left on device.*make room"):
        store.write_whole("a", fill)
    with pytest.raises(ZeroDivisionError):
        store.write_whole("a", lambda path: path.write_bytes(b"half") / 0)  # type: ignore[operator]
    assert store.read("a") == b"before"
    assert store.list() == ["a"]
    if store.folder is not None:
        assert [p.name for p in store.folder.iterdir()] == ["a"]


def test_missing_and_short_files_are_told_by_their_place(store: Store) -> None:
    store.write_whole("a", b"12345")
    for ask in (store.read, store.fetch):
        with pytest.raises(DataError, match=r"set/nothing is not there: check the name"):
            ask("nothing")
    with pytest.raises(DataError, match="set/a is cut short: 2 of 4 bytes from 3 on"):
        store.read("a", 3, 4)
    for name in ("", "/etc/passwd", "../a"):
        with pytest.raises(DataError, match="no name of a file in a store"):
            store.write_whole(name, b"")


def test_a_copy_is_made_once_and_again_when_the_original_changed(tmp_path: Path) -> None:
    store = Store(MEMORY, cache=tmp_path)
    store.write_whole("a", b"old")
    first = store.fetch("a")
    first.write_bytes(b"own")  # to tell the copy from a fresh one
    assert store.fetch("a").read_bytes() == b"own"
    store.write_whole("a", b"changed")
    assert store.fetch("a").read_bytes() == b"changed"
    fsspec.filesystem("memory").rm("/store-tests", recursive=True)


class Failing:
    """A file system that fails with the given error as often as said, then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return b"bytes"

    def put_file(self, local: str, path: str) -> None:
        self.cat_file(path)


class EndpointConnectionError(Exception):
    """As botocore's, which is no OSError."""


EndpointConnectionError.__module__ = "botocore.exceptions"
NoCredentialsError = type("NoCredentialsError", (Exception,), {"__module__": "botocore.exceptions"})


def failing(error: Exception, times: int) -> tuple[Store, Failing]:
    store = Store("memory://store-tests", tries=3, pause_s=0.0)
    system = Failing(error, times)
    store._remote = (system, "/store-tests")
    return store, system


@pytest.mark.parametrize(
    "error", [OSError(errno.EBUSY, "SlowDown"), TimeoutError(), ConnectionResetError(), EndpointConnectionError("gone")]
)
def test_failures_that_pass_are_tried_again_but_not_for_ever(error: Exception) -> None:
    store, system = failing(error, 2)
    assert (store.read("a"), system.calls) == (b"bytes", 3)
    store, system = failing(error, 99)
    with pytest.raises(DataError, match=r"store-tests/a cannot be read, tried 3 times"):
        store.read("a")
    assert system.calls == 3
    store, system = failing(error, 99)
    with pytest.raises(DataError, match=r"cannot be written, tried 3 times.*run it again later"):
        store.write_whole("a", b"x")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError("AccessDenied"), "may not be written.*credentials in the environment"),
        (NoCredentialsError("Unable to locate credentials"), "may not be written.*credentials"),
        (FileNotFoundError("NoSuchBucket"), "the bucket or folder memory://store-tests exists"),
        (OSError(errno.EINVAL, "InvalidBucketName"), "cannot be written.*InvalidBucketName"),
    ],
)
def test_failures_that_last_are_told_at_once(error: Exception, says: str) -> None:
    store, system = failing(error, 99)
    with pytest.raises(DataError, match=says):
        store.write_whole("a", b"x")
    assert system.calls == 1


def test_a_mistake_in_a_program_is_not_dressed_up() -> None:
    store, _ = failing(KeyError("bug"), 99)
    with pytest.raises(KeyError):
        store.read("a")


def test_a_module_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(DataError, match=r'pip install "open-elsa\[s3\]"'):
        Store("s3://bucket/set").read("a")
    monkeypatch.undo()
    with pytest.raises(DataError, match="no-such-kind://x is of no kind that can be reached"):
        Store("no-such-kind://x").read("a")


def test_folders_need_no_fsspec(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from open_elsa.scenes.store import Store\n"
        f"s = Store({str(tmp_path)!r}); s.write_whole('a', b'x'); s.fetch('a'); s.remove('a')\n"
        "print(s.list(), s.size('a'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "None"]


def test_file_urls_are_folders(tmp_path: Path) -> None:
    store = Store((tmp_path / "a b").as_uri())
    store.write_whole("x", b"1")
    assert (tmp_path / "a b" / "x").read_bytes() == b"1"
