"""A packed archive as a stream over its gzip members that says where it is damaged and goes on behind the damage."""

from __future__ import annotations

import io
import tempfile
import zlib
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from tunesmith.data import urls
from tunesmith.data.files import READ_ERRORS, File, damaged, open_bytes

CHUNK = 1 << 16
MAGIC = b"\x1f\x8b\x08"
LONGEST_START = 512  # bytes of content that show whether a record begins in a gzip member


class Segment(io.RawIOBase):
    """What a run of gzip members holds, up to the file's end or the first damage; it can be read again from any place.

    All that a damaged member gives before its damage is there. After the end, `error` says why it ended, if not well.
    """

    def __init__(self, packed: BinaryIO, offset: int) -> None:
        """Begin at the gzip member at this offset of the file."""
        self.packed = packed
        self.begins = [0]  # of each member: the place in the content,
        self.offsets = [offset]  # and that in the file
        self._restart(0)

    def _restart(self, member: int) -> None:
        self.position, self.error = self.begins[member], ""
        self.member = member
        self.consumed = self.offsets[member]  # of the file, by the decompressor
        self.packed.seek(self.consumed)
        self.waiting, self.ready, self.done = b"", b"", False
        self.inflate = zlib.decompressobj(31)

    @property
    def damaged_from(self) -> int:
        """The place in the content at which the member that could not be read to its end begins."""
        return self.begins[self.member]

    def place(self, position: int) -> int:
        """Where in the file the member begins that holds this place of the content."""
        return self.offsets[bisect_right(self.begins, position) - 1]

    def begins_member(self, position: int) -> bool:
        """Whether a member begins exactly at this place of the content."""
        return self.begins[bisect_right(self.begins, position) - 1] == position

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always: backwards by reading a member again."""
        return True

    def tell(self) -> int:
        """The place in the content."""
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the content, at most to its end."""
        target = offset + (self.position if whence == io.SEEK_CUR else 0)
        if target < self.position:
            self._restart(bisect_right(self.begins, target) - 1)
        while self.position < target and self.read(min(CHUNK, target - self.position)):
            pass
        return self.position

    def readinto(self, buffer: object) -> int:
        """Fill the buffer with content; 0 at the end."""
        view = memoryview(cast(bytearray, buffer))
        while not self.ready and not self.done:
            self._more(len(view))
        given, self.ready = self.ready[: len(view)], self.ready[len(view) :]
        view[: len(given)] = given
        self.position += len(given)
        return len(given)

    def _more(self, size: int) -> None:
        if not self.waiting:
            self.waiting = self.packed.read(CHUNK)
        if not self.waiting:
            self._end("" if self._between else "the file ends inside a gzip member")
            return
        before, fed = self.inflate.copy(), self.waiting
        try:
            self.ready = self.inflate.decompress(fed, size)
        except zlib.error as error:
            self.ready = _salvaged(before, fed)
            self._end(f"a gzip member is damaged: {error}")
            return
        self.waiting = self.inflate.unused_data if self.inflate.eof else self.inflate.unconsumed_tail
        self.consumed += len(fed) - len(self.waiting)
        if self.inflate.eof:
            self._next_member()

    @property
    def _between(self) -> bool:
        return self.consumed == self.offsets[self.member]

    def _next_member(self) -> None:
        """Begin the member behind this one; zeros between them are padding, as in gzip itself."""
        while True:
            left = self.waiting.lstrip(b"\0")
            self.consumed += len(self.waiting) - len(left)
            self.waiting = left or self.packed.read(CHUNK)
            if left or not self.waiting:
                break
        begins = self.position + len(self.ready)
        if self.member + 1 == len(self.begins):
            self.begins.append(begins)
            self.offsets.append(self.consumed)
        self.member += 1
        self.inflate = zlib.decompressobj(31)

    def _end(self, error: str) -> None:
        self.error, self.done = error, True


def _salvaged(inflate: zlib._Decompress, fed: bytes) -> bytes:
    """All that comes before the damage: byte by byte, since zlib gives nothing of a piece that it fails in."""
    out = bytearray()
    try:
        for place in range(len(fed)):
            out += inflate.decompress(fed[place : place + 1])
    except zlib.error:
        pass
    return bytes(out)


def next_member(packed: BinaryIO, after: int, is_start: Callable[[bytes], bool]) -> int | None:
    """The next place in the file at which a gzip member begins whose content begins with a record, if there is one."""
    here = after
    while True:
        packed.seek(here)
        block = packed.read(1 << 20)
        place = block.find(MAGIC)
        while place >= 0:
            if is_start(_head(packed, here + place)):
                return here + place
            place = block.find(MAGIC, place + 1)
        if len(block) < 1 << 20:
            return None
        here += len(block) - len(MAGIC) + 1


def _head(packed: BinaryIO, offset: int) -> bytes:
    packed.seek(offset)
    try:
        return zlib.decompressobj(31).decompress(packed.read(4096), LONGEST_START)
    except zlib.error:
        return b""


def raw_stream(file: File) -> tuple[BinaryIO, str]:
    """The bytes of the file as they lie there, from any place, and why they end too early, if they do.

    What can only be read from its beginning (.zst) is unpacked into a temporary file first.
    """
    if not file.path.endswith(".zst"):
        return urls.opened(file.path) if urls.is_url(file.path) else Path(file.path).open("rb"), ""
    spooled, error = tempfile.TemporaryFile(), ""  # noqa: SIM115  # closed with the reader
    try:
        with open_bytes(file) as stream:
            while block := stream.read(CHUNK):
                spooled.write(block)
    except READ_ERRORS as cut:
        error = damaged(cut)
    spooled.seek(0)
    return cast(BinaryIO, spooled), error
