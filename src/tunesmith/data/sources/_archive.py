"""The records of a WARC or ARC file, packed or not, whatever is damaged in it. For warc."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from tunesmith.data.files import EMPTY, File
from tunesmith.data.sources._members import MAGIC, Segment, next_member, raw_stream

RAW_BYTES = 1 << 16  # of a damaged record in quarantine
LARGEST = 64 << 20  # bytes of a record that are held in memory
HEAD_BYTES = 1 << 16  # of a record's header; longer ones are none
BLOCK = 1 << 20
# address, IP address, date, media type, length; an address may have spaces in it
ARC_HEAD = re.compile(rb"(\w[\w.+-]*:.*) ([\w.:-]+) (\d{8,18}) (\S+) (-?\w+)\r?\n")
NEXT_WARC = re.compile(rb"(?<=\n)WARC/\d\.\d\r?\n")
NEXT_ARC = re.compile(rb"(?<=\n)\w[\w.+-]*://[^\r\n]* [\d.:a-fA-F]{3,39} \d{8,18} \S+ -?\w+\r?\n")


@dataclass(frozen=True)
class Entry:
    """One record: where it begins in the file (its gzip member), its header, its block; or why it could not be read."""

    offset: int
    head: Mapping[str, str] = field(default_factory=dict)  # names in small letters
    block: bytes = b""  # empty where `wanted` says no
    error: str = ""
    raw: bytes = b""  # of what could not be read, up to RAW_BYTES
    size: int = 0  # of it all

    @property
    def type(self) -> str:
        """WARC-Type; `response` for the records of an ARC file."""
        return self.head.get("warc-type", "")


Wanted = Callable[[Mapping[str, str]], bool]


def is_start(line: bytes) -> bool:
    """Whether a record begins with this line."""
    return line.startswith(b"WARC/") or ARC_HEAD.match(line) is not None


def entries(file: File, wanted: Wanted) -> Iterator[Entry]:
    """Every record of the file in order, with the block of those wanted, and every stretch of it that is no record."""
    source, cut = raw_stream(file)
    with source:
        head = source.read(BLOCK)
        source.seek(0)
        # by its first bytes, since names lie; by its name where those are damaged
        is_packed = head.startswith(MAGIC) or (bool(head) and file.path.endswith(".gz") and not is_start(head))
        yield from _packed(source, wanted) if is_packed else _Reader(source, wanted).entries()
        end = source.seek(0, io.SEEK_END)
        if cut or not end:
            yield Entry(end, error=cut or EMPTY)


def _packed(source: BinaryIO, wanted: Wanted) -> Iterator[Entry]:
    offset: int | None = 0
    while offset is not None:
        segment = Segment(source, offset)
        reader = _Reader(cast(BinaryIO, io.BufferedReader(segment, BLOCK)), wanted, segment)
        yield from reader.entries()
        if not reader.error:
            return
        broken = segment.place(reader.damaged_from)
        offset = next_member(source, broken + 1, is_start)
        if not reader.told:
            yield _unreadable(source, broken, offset, reader.error)


def _unreadable(source: BinaryIO, start: int, end: int | None, error: str) -> Entry:
    """A gzip member that gives nothing: its packed bytes."""
    size = (source.seek(0, io.SEEK_END) if end is None else end) - start
    source.seek(start)
    return Entry(start, error=error, raw=source.read(min(size, RAW_BYTES)), size=size)


@dataclass
class _Reader:
    """Reads record by record, and after damage looks for the next one."""

    stream: BinaryIO
    wanted: Wanted
    segment: Segment | None = None
    start: int = 0  # of the next record,
    first: bytes = b""  # and its first line, which is read already
    error: str = ""  # why the content ended too early,
    damaged_from: int = 0  # where the damaged member of it begins,
    told: bool = False  # and whether an entry has told of it

    def entries(self) -> Iterator[Entry]:
        """Everything from here to the end of the content."""
        self._advance()
        while self.first:
            yield self._entry(self.start, self.first)

    def _advance(self) -> None:
        """Read the next line that is not blank. Never back: in a packed file that means to unpack it again."""
        self.first = b"\n"
        while self.first and not self.first.strip(b"\r\n"):
            self.first = self.stream.readline(HEAD_BYTES)
        self.start = self.stream.tell() - len(self.first)
        self._note_end()

    def _note_end(self) -> None:
        """Keep what the segment says of its end: reading a place again makes it forget."""
        if self.segment is not None and self.segment.error:
            self.error, self.damaged_from = self.segment.error, self.segment.damaged_from

    def _entry(self, start: int, first: bytes) -> Entry:
        head = self._head(first)
        length = -1 if head is None else _whole_number(head.get("content-length", ""))
        if head is None or length < 0:
            return self._damaged(start, len(first), "no record begins here" if head is None else "no length in bytes")
        behind = self.stream.tell()
        keep = self.wanted(head)
        block, read = self._block(length, length if keep and length <= LARGEST else RAW_BYTES)
        self._advance()
        if error := self._fault(length, read, behind + read):
            return self._damaged(start, behind - start, error, head)
        place = self._place(start)
        if keep and length > LARGEST:
            error = f"the record has {length:,} bytes; more than {LARGEST:,} are not read"
            return Entry(place, head, error=error, raw=block, size=length)
        return Entry(place, head, block if keep else b"")

    def _head(self, first: bytes) -> Mapping[str, str] | None:
        """The header that begins with this line; None if none does."""
        if first.startswith(b"WARC/"):
            return self._warc_head()
        arc = ARC_HEAD.fullmatch(first)
        return arc and _arc_head(arc)

    def _fault(self, length: int, read: int, end: int) -> str:
        """What is wrong with a record after whose block the next line has been read; nothing if it is whole."""
        if self.error and end > self.damaged_from and (read < length or not self.first):
            return self.error  # also of a last record: what it stands in has a wrong checksum
        if read < length:
            return f"the record has {length:,} bytes, but the file ends after {read:,}"
        if not self._begins_well():
            return f"no record ends after the {length:,} bytes that this one says it has"
        return ""

    def _begins_well(self) -> bool:
        """Whether the line that has been read may stand behind a whole record, be it damaged itself."""
        if is_start(self.first) or b"WARC/".startswith(self.first):
            return True
        return self.segment is not None and self.segment.begins_member(self.start)

    def _warc_head(self) -> dict[str, str] | None:
        """The header lines up to the blank one; None if it does not come."""
        head: dict[str, str] = {}
        name, size = "", 0
        while size <= HEAD_BYTES:
            line = self.stream.readline(HEAD_BYTES)
            size += len(line)
            if not line.endswith(b"\n"):
                return None
            text = line.decode("utf-8", "replace").strip()
            if not text:
                return head
            if line[:1] in b" \t" and name:  # a value may go on in the next line
                head[name] += f" {text}"
                continue
            name, colon, value = text.partition(":")
            if not colon:
                return None
            name = name.strip().lower()
            head[name] = value.strip()
        return None

    def _block(self, length: int, keep: int) -> tuple[bytes, int]:
        """The first of the next bytes, and how many of them there are."""
        block = self.stream.read(min(length, keep))
        left = length - len(block)
        while left and (read := len(self.stream.read(min(left, BLOCK)))):
            left -= read
        return block, length - left

    def _damaged(self, start: int, head_size: int, error: str, head: Mapping[str, str] | None = None) -> Entry:
        """All from here to the next line that begins a record."""
        self.stream.seek(start + head_size)
        end = self._next_start()
        self.told |= bool(self.error) and end is None
        size = (self.stream.tell() if end is None else end) - start
        self.stream.seek(start)
        raw = self.stream.read(min(size, RAW_BYTES))
        self.stream.seek(start + size)
        self._advance()
        return Entry(self._place(start), head or {}, error=error, raw=raw, size=size)

    def _next_start(self) -> int | None:
        """The place of the next line that begins a record; None, at the end of the content, if there is none."""
        here = self.stream.tell() - 1
        self.stream.seek(here)
        window = b""
        while block := self.stream.read(BLOCK):
            window += block
            found = [place.start() for kind in (NEXT_WARC, NEXT_ARC) if (place := kind.search(window))]
            if found:
                return here + min(found)
            here += len(window) - len(window[-HEAD_BYTES:])
            window = window[-HEAD_BYTES:]
        self._note_end()
        return None

    def _place(self, position: int) -> int:
        """Where in the file a place of the content is: there or, packed, at the beginning of its gzip member."""
        return self.segment.place(position) if self.segment else position


def _whole_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1


def _arc_head(found: re.Match[bytes]) -> dict[str, str]:
    """The header of an ARC record under the names that WARC has for the same."""
    address, _, date, media_type, length = (part.decode("utf-8", "replace") for part in found.groups())
    kind = "warcinfo" if address.startswith("filedesc:") else "response"
    when = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10] or '00'}:{date[10:12] or '00'}:{date[12:14] or '00'}Z"
    return {
        "warc-type": kind,
        "warc-target-uri": address,
        "warc-date": when,
        "arc-type": media_type,
        "content-length": length,
    }
