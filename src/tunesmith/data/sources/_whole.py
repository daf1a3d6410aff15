"""Files that are read as a whole: their bytes, the zip archives among them, and what is said of those that fail."""

from __future__ import annotations

import io
import zlib
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile

from tunesmith.core.record import Record
from tunesmith.data.files import EMPTY, READ_ERRORS, File, damaged, open_bytes

HEAD = 1000  # bytes of a file that quarantine shows; its uri names the rest
COPIED = 1 << 20
PART_BYTES = 64 << 20  # of one part of an archive: twenty times the longest novel, and no bomb fits a memory
ARCHIVE_BYTES = 1 << 30  # of all its parts together
# What reading a damaged, encrypted or oddly compressed archive raises, unpacked sizes past the limits included.
ARCHIVE_ERRORS = (BadZipFile, KeyError, NotImplementedError, RuntimeError, ValueError, zlib.error, *READ_ERRORS)


def content(file: File) -> bytes:
    """All bytes of a file; raises ValueError if there are none, or the file is cut or damaged."""
    try:
        with open_bytes(file) as stream:
            found = stream.read()
    except READ_ERRORS as error:
        raise ValueError(damaged(error)) from None
    if not found:
        raise ValueError(EMPTY)
    return found


def archive(packed: bytes) -> ZipFile:
    """The zip archive in these bytes; raises one of ARCHIVE_ERRORS if it is damaged or would unpack to too much."""
    opened = ZipFile(io.BytesIO(packed))
    whole = sum(part.file_size for part in opened.infolist())
    if whole > ARCHIVE_BYTES:
        raise ValueError(f"unpacks to {whole:,} bytes, more than {ARCHIVE_BYTES:,}: a bomb, or not what it seems")
    return opened


def part(opened: ZipFile, name: str) -> bytes:
    """One part of an archive; raises one of ARCHIVE_ERRORS if it is missing, damaged or too big."""
    size = opened.getinfo(name).file_size  # never more is unpacked than is declared here
    if size > PART_BYTES:
        raise ValueError(f"{name} unpacks to {size:,} bytes, more than {PART_BYTES:,}")
    return opened.read(name)


def seekable(file: File) -> BinaryIO:
    """The content as a stream that goes back and forth cheaply: a packed file's is a temporary copy."""
    stream = open_bytes(file)
    if not file.is_packed:
        return stream
    copy = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - the caller closes it
    with stream:
        try:
            while block := stream.read(COPIED):
                copy.write(block)
        except READ_ERRORS:
            pass  # whoever reads the lines is told where it was cut
    copy.seek(0)
    return copy


def quarantined(
    file: File, error: str | Exception, raw: bytes = b"", *, line: int | None = None, offset: int | None = None
) -> Record:
    """The row that says what could not be read, where and why."""
    problem = error if isinstance(error, str) else said(error)
    return {"quarantine": {"uri": file.uri, "line": line, "offset": offset, "error": problem, "raw": raw}}


def said(error: Exception) -> str:
    """What an error says; a missing part's, without the quotation marks that Python puts around it."""
    return str(error.args[0]) if isinstance(error, KeyError) else str(error)
