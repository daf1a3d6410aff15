"""Files behind URLs (s3://, https://, memory:// and whatever else fsspec knows): listed, opened, told apart."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from tunesmith.core.errors import UserError
from tunesmith.core.hashing import CHUNK_BYTES
from tunesmith.data.packed import PACKED

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
FILE_SCHEME = "file://"
ANY = ("",)  # as suffixes: that of every name
# What filesystems call a value that changes with the content; a time alone is none.
CONTENT_MARKS = ("ETag", "etag", "checksum", "sha256", "md5", "md5Hash", "content_md5", "crc32c")


def is_url(path: str) -> bool:
    """Whether a path names a file through fsspec and not on this machine's disks.

    >>> is_url("s3://bucket/a.jsonl"), is_url("raw/a.jsonl"), is_url("C:/a.jsonl")
    (True, False, False)
    """
    return SCHEME.match(path) is not None


def local_path(given: str) -> str | None:
    """A path on this machine's disks as it is, of file:// what follows; None for any other URL."""
    if given.startswith(FILE_SCHEME):
        return given.removeprefix(FILE_SCHEME)
    return None if is_url(given) else given


def ends_in(name: str, suffixes: Sequence[str]) -> bool:
    """Whether a name has one of these suffixes, before that of its compression; letter case does not count.

    >>> ends_in("a.TXT", (".txt",)), ends_in("b.md.gz", (".md",)), ends_in("c.csv", (".txt",))
    (True, True, False)
    """
    lower = name.lower()
    return any(lower.endswith(suffix + packed) for suffix in suffixes for packed in ("", *PACKED))


def expand(url: str, suffixes: Sequence[str]) -> list[str]:
    """The URLs of the files that a URL names: itself, those its pattern matches, or of a folder those with a suffix."""
    with _told(f"path: {url!r} cannot be listed"):
        system, path = _system(url)
        signs = "*[" if system.protocol in ("http", ("http", "https")) else "*?["  # ? begins the query of an address
        if any(sign in path for sign in signs):
            found = [one for one in system.glob(path) if not system.isdir(one)]
        elif suffixes and system.isdir(path):
            found = [one for one in system.find(path) if ends_in(one, suffixes)]
        else:
            found = [path] if system.isfile(path) else []
    if not found:
        kinds = f" Of a folder, {', '.join(suffixes)} files are read." if suffixes else ""
        raise UserError(f"path: no file is found at {url!r}.", f"Is it spelt right, and may you read it?{kinds}")
    chain = url.partition("::")[1:] if "::" in url else ()  # of zip://*.jsonl::s3://..., what the filesystem lies in
    return ["".join([system.unstrip_protocol(one), *chain]) for one in found]


def opened(url: str) -> BinaryIO:
    """The bytes behind a URL; whatever goes wrong on the way is a UserError, so that it is not taken for bad data."""
    with _told(f"{url}: cannot be opened"):
        system, path = _system(url)
        return cast(BinaryIO, io.BufferedReader(_Reader(url, system, path)))


def size_of(url: str) -> int | None:
    """The bytes behind a URL, where its filesystem tells how many."""
    with _told(f"{url}: cannot be read"):
        system, path = _system(url)
        size = system.info(path).get("size")
        return None if size is None else int(size)


def content_mark(url: str) -> str:
    """What changes when the content does: the filesystem's own mark of it, or else the SHA-256 of the bytes."""
    with _told(f"{url}: cannot be read"):
        system, path = _system(url)
        known = system.info(path)
        marks = [f"{name}={known[name]}" for name in CONTENT_MARKS if known.get(name)]
    return f"{known.get('size')}:{marks[0]}" if marks else _sha256(url)


def _sha256(url: str) -> str:
    digest = hashlib.sha256()
    with opened(url) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _system(url: str) -> tuple[Any, str]:
    import fsspec.core

    try:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(url))
    except ImportError as error:  # fsspec's own sentence names the package
        raise UserError(f"{url}: {error}.", "Install that package beside tunesmith with pip.") from None
    except ValueError as error:
        raise UserError(f"{url}: {error}.", "URLs begin with what fsspec knows, such as s3:// or https://.") from None


@contextmanager
def _told(problem: str) -> Iterator[None]:
    """Filesystems raise errors of their own packages; all of them are the user's to mend."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{problem}: {type(error).__name__}: {error}.", "Check the address, the network and your credentials."
        ) from error


class _Reader(io.RawIOBase):
    """A file of fsspec whose errors are UserErrors: a broken connection must not look like a damaged file."""

    def __init__(self, url: str, system: Any, path: str) -> None:  # noqa: ANN401 - fsspec has no types
        self._url = url
        self._system = system  # an archive closes when nobody holds it
        self._inner: BinaryIO = system.open(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._inner.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        with _told(f"{self._url}: cannot be read on"):
            return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of all that can be written to
        with _told(f"{self._url}: cannot be read on"):
            data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()
