"""Files by name in one place: a folder of this machine, or any URL that fsspec can reach (s3://, gs://, memory://)."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from open_elsa.errors import DataError
from open_elsa.scenes.scene_files import write_whole

Result = TypeVar("Result")

#: An upload becomes visible whole, or not at all; elsewhere a temporary name is renamed.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "memory"})
#: What installs the module that a kind of URL needs.
_HELP = {
    "s3": '"open-elsa[s3]"',
    "s3a": '"open-elsa[s3]"',
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
}
#: Errors that another try does not mend: the request is wrong, or there is no room.
_LASTING = frozenset(
    {errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENAMETOOLONG, errno.EMSGSIZE, errno.ENOTEMPTY}
    | {errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EROFS}
)
#: Modules whose errors of their own, not OSError, can tell of a lost connection, …
_CLIENTS = ("botocore", "aiobotocore", "aiohttp", "requests", "urllib3", "google", "gcsfs", "azure", "fsspec")
#: … and the names of those that tell of missing credentials.
_UNKNOWN_USER = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError")


class Store:
    """Files under one URL or folder; picklable, for workers. Nothing is looked at before the first call.

    url: a path of this machine, which needs no fsspec, or a URL that fsspec knows. options: what fsspec's file system
    takes, such as {"endpoint_url": "http://localhost:9000"}; credentials are best left to the environment. tries: how
    often a request is made before a passing failure (a lost connection, a server that is busy) is an error; the pause
    between two, pause_s in seconds, doubles. cache: the folder for `fetch`; the user's cache folder when None.
    Names are relative, with "/" between folders. Errors are DataErrors that name the file.
    """

    def __init__(
        self,
        url: str | Path,
        options: Mapping[str, Any] | None = None,
        *,
        tries: int = 5,
        pause_s: float = 0.5,
        cache: str | Path | None = None,
    ) -> None:
        self.url = str(url).rstrip("/") or "/"
        self.options, self.tries, self.pause_s = dict(options or {}), max(1, tries), pause_s
        self.cache = None if cache is None else Path(cache)
        self.protocol = self.url.split("://", 1)[0] if "://" in self.url else ""
        #: The folder where the files lie when they are of this machine, else None.
        self.folder: Path | None = None
        if self.protocol in ("", "file", "local"):
            self.folder = Path(unquote(urlsplit(self.url).path) if self.protocol else self.url)
        self._remote: tuple[Any, str] | None = None

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_remote": None}

    def where(self, name: str) -> str:
        """A file's path or URL in full, to tell people."""
        return f"{self.url.rstrip('/')}/{name}"

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        try:
            return self._try(name, "looked at", lambda: self._size(name))
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.size(name) is not None

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file: `length` from `offset` on, to the end when None; DataError where they are not all there."""
        if offset < 0 or (length is not None and length < 0):
            raise DataError(f"{self.where(name)}: no bytes lie at {offset} with length {length}")
        try:
            data = self._try(name, "read", lambda: self._read(name, offset, length))
        except FileNotFoundError as error:
            raise DataError(f"{self.where(name)} is not there: {self._missing()}") from error
        if length is not None and len(data) != length:
            raise DataError(
                f"{self.where(name)} is cut short: {len(data)} of {length} bytes from {offset} on; copy it anew"
            )
        return data

    def write_whole(self, name: str, write: Callable[[Path], object] | bytes) -> None:
        """Write a file whole or not at all, whatever was there before; `write` fills a local file that it is given.

        On this machine it is written under a temporary name in its folder, then renamed; elsewhere a finished temporary
        file is uploaded. Raises DataError when the disk is full, the bucket does not exist, or it may not be written.
        """
        _checked(name)
        fill = (lambda path: path.write_bytes(write)) if isinstance(write, bytes) else write
        if self.folder is not None:
            path = self._path(name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(f"{path.parent} cannot be made: {error.strerror}") from error
            write_whole(path, fill)
            return
        with tempfile.TemporaryDirectory(prefix="elsa-store-") as folder:
            finished = Path(folder) / PurePosixPath(name).name
            try:
                fill(finished)
            except OSError as error:
                raise DataError(
                    f"{self.where(name)} could not be prepared in {folder} ({error.strerror or error}); what was "
                    "finished before is kept: make room there, or set TMPDIR, and run the same command again"
                ) from error
            try:
                self._try(name, "written", lambda: self._upload(finished, name))
            except FileNotFoundError as error:
                raise DataError(f"{self.where(name)} could not be written: {self._missing()}") from error

    def list(self, pattern: str = "*") -> list[str]:
        """Names of the files that fit a pattern, sorted; "*" stands for a name's part, never for a folder's "/"."""
        if self.folder is not None:
            found = [p.relative_to(self.folder).as_posix() for p in self.folder.glob(pattern) if p.is_file()]
        else:
            try:
                listed = self._try(pattern, "listed", lambda: self._names(pattern.count("/") + 1))
            except FileNotFoundError:
                listed = ()
            found = [name for name in listed if _fits(name, pattern)]
        return sorted(name for name in found if not PurePosixPath(name).name.startswith("."))

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        try:
            self._try(name, "deleted", lambda: self._remove(name))
        except FileNotFoundError:
            return

    def fetch(self, name: str) -> Path:
        """Give a file as one of this machine: itself, or a copy in the cache, made anew when the original changed."""
        if self.folder is not None:
            if not self.exists(name):
                raise DataError(f"{self.where(name)} is not there: {self._missing()}")
            return self._path(name)
        try:
            about = self._try(name, "looked at", lambda: self._info(name))
            version = next(
                (about[k] for k in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created") if k in about), ""
            )
            key = repr((self.url, sorted(self.options.items()), name, str(version), about.get("size")))
            folder = self.cache if self.cache is not None else cache_folder()
            copy = folder / hashlib.sha256(key.encode()).hexdigest()[:32] / PurePosixPath(name).name
            if not copy.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                write_whole(copy, lambda path: self._try(name, "read", lambda: self._download(name, path)))
        except FileNotFoundError as error:
            raise DataError(f"{self.where(name)} is not there: {self._missing()}") from error
        except OSError as error:
            raise DataError(f"{self.where(name)} cannot be kept in the cache: {error.strerror or error}") from error
        return copy

    def _try(self, name: str, done: str, action: Callable[[], Result]) -> Result:
        """Do it, again after failures that pass; FileNotFoundError goes through, others become DataErrors."""
        for attempt in range(self.tries):
            try:
                return action()
            except (FileNotFoundError, DataError):
                raise
            except Exception as error:
                if isinstance(error, PermissionError) or type(error).__name__ in _UNKNOWN_USER:
                    raise DataError(
                        f"{self.where(name)} may not be {done} ({error}); check the permissions"
                        + (" and the credentials in the environment" if self.folder is None else "")
                    ) from error
                if not _passes(error) or self.folder is not None:
                    if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in _CLIENTS:
                        raise
                    raise DataError(f"{self.where(name)} cannot be {done} ({error})") from error
                if attempt + 1 == self.tries:
                    raise DataError(
                        f"{self.where(name)} cannot be {done}, tried {self.tries} times "
                        f"({type(error).__name__}: {error}); what is finished is kept, run it again later"
                    ) from error
                time.sleep(self.pause_s * 2**attempt)
        raise AssertionError("unreachable")

    def _missing(self) -> str:
        what = "the folder" if self.folder is not None else "the bucket or folder"
        return f"check the name, and that {what} {self.url} exists"

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / _checked(name)

    @property
    def _there(self) -> tuple[Any, str]:
        """The file system of fsspec and the root in it."""
        if self._remote is None:
            import fsspec

            try:
                # what others write meanwhile must be seen, so listings are not kept
                system, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **self.options)
            except ImportError as error:
                need = _HELP.get(self.protocol, f"what fsspec needs for {self.protocol}://")
                raise DataError(f"{self.url} needs a module that is not installed: pip install {need}") from error
            except ValueError as error:
                raise DataError(f"{self.url} is of no kind that can be reached: {error}") from error
            self._remote = (system, str(root).rstrip("/"))
        return self._remote

    def _full(self, name: str) -> str:
        return f"{self._there[1]}/{_checked(name)}"

    def _info(self, name: str) -> dict[str, Any]:
        about: dict[str, Any] = self._there[0].info(self._full(name))
        if about["type"] != "file":
            raise FileNotFoundError(self._full(name))
        return about

    def _size(self, name: str) -> int:
        if self.folder is None:
            return int(self._info(name)["size"])
        path = self._path(name)
        if path.is_dir():
            raise FileNotFoundError(path)
        return path.stat().st_size

    def _read(self, name: str, offset: int, length: int | None) -> bytes:
        if self.folder is not None:
            with self._path(name).open("rb") as f:
                f.seek(offset)
                return f.read(-1 if length is None else length)
        if length == 0:
            return b""
        stop = None if length is None else offset + length
        return bytes(self._there[0].cat_file(self._full(name), start=offset or None, end=stop))

    def _upload(self, finished: Path, name: str) -> None:
        system, full = self._there[0], self._full(name)
        if self.protocol in _OBJECT_STORES:
            system.put_file(os.fspath(finished), full)
            return
        unfinished = f"{full.rpartition('/')[0]}/.{PurePosixPath(name).name}.tmp-{os.getpid()}"
        system.makedirs(full.rpartition("/")[0], exist_ok=True)
        system.put_file(os.fspath(finished), unfinished)
        system.mv(unfinished, full)

    def _download(self, name: str, path: Path) -> None:
        system, full = self._there[0], self._full(name)
        system.get_file(full, os.fspath(path))
        if path.stat().st_size != int(system.info(full)["size"]):
            raise ConnectionError("the copy is shorter than the original")

    def _names(self, depth: int) -> Sequence[str]:
        system, root = self._there
        return [str(found)[len(root) :].lstrip("/") for found in system.find(root, maxdepth=depth)]

    def _remove(self, name: str) -> None:
        if self.folder is not None:
            self._path(name).unlink(missing_ok=True)
        else:
            self._there[0].rm_file(self._full(name))


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{name!r} is no name of a file in a store: give it relative to the store, without '..'")
    return path.as_posix()


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(fnmatch.fnmatchcase(p, w) for p, w in zip(parts, wanted, strict=True))


def _passes(error: Exception) -> bool:
    """Whether a failure may be gone at the next try."""
    if isinstance(error, OSError):
        return error.errno not in _LASTING
    return isinstance(error, TimeoutError) or type(error).__module__.split(".")[0] in _CLIENTS


def cache_folder() -> Path:
    """The user's cache folder of this program; XDG_CACHE_HOME moves it."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "open-elsa"
