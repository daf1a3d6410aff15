"""Web archives, whole and deliberately damaged: what was read, what was quarantined, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from checks.rows import Row

from tunesmith.data.files import File
from tunesmith.data.sources._archive import Entry, entries
from tunesmith.data.sources.warc import SUFFIXES, warc

ANY = (*SUFFIXES, ".wat")


def measure(data: Path) -> list[Row]:
    """A line for each file, and the bytes of plain files that are in no record and no quarantine row."""
    files = [file for file in sorted((data / "warc").rglob("*")) if any(suffix in file.name for suffix in ANY)]
    rows = [_file(path, path.relative_to(data).as_posix()) for path in files]
    plain = [path for path in files if path.suffix not in (".gz", ".bad")]
    unaccounted = sum(_unaccounted(path) for path in plain)
    size = sum(path.stat().st_size for path in plain)
    return [*rows, Row("warc, bytes of plain files in no record and no quarantine", unaccounted, size, bar="<= 0")]


def _file(path: Path, name: str) -> Row:
    found = Counter("damaged" if entry.error else entry.type for entry in _entries(path))
    rows = list(warc(File(str(path), name), mode="fast"))
    quarantined = sum("quarantine" in row for row in rows)
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
    documents = len(rows) - quarantined
    return Row(f"{name}, documents", documents, found.total(), note=f"{quarantined} quarantined; records: {types}")


def _entries(path: Path) -> Iterator[Entry]:
    return entries(File(str(path), path.name), lambda head: True)


def _unaccounted(path: Path) -> int:
    """Bytes that stand in no record, no damaged stretch and are not the blank lines between them."""
    content = path.read_bytes()
    found = list(_entries(path))
    ends = [*(entry.offset for entry in found[1:]), len(content)]
    left = found[0].offset
    for entry, end in zip(found, ends, strict=True):
        piece = content[entry.offset : end]
        known = entry.size if entry.error else piece.find(entry.block) + len(entry.block)
        left += len(piece[known:].strip(b"\r\n"))
    return left
