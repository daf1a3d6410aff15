"""Web archives: whole, packed, damaged."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from base64 import b32encode
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._archive import Entry, entries
from tunesmith.data.sources.warc import warc

WORDS = "The ferry does not run on Sundays, and on other days only until the lamps are lit along the quay."


def page(number: int, words: str = WORDS) -> bytes:
    lines = "".join(f"<p>{number}.{line} {words}</p>" for line in range(9))
    head = f"<head><title>Page {number}</title></head>"
    return f"<html lang=en>{head}<body><article>{lines}</article></body></html>".encode()


def http(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/html; charset=utf-8") -> bytes:
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {kind}"] if kind else []), *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def record(number: int, block: bytes, *headers: str, kind: str = "response", length: int | None = None) -> bytes:
    given = [
        "WARC/1.0", f"WARC-Type: {kind}", f"WARC-Record-ID: <urn:uuid:{number}>", "WARC-Date: 2020-01-02T03:04:05Z",
        f"WARC-Target-URI: https://example.org/{number}", *headers,
        f"Content-Length: {len(block) if length is None else length}", "", "",
    ]  # fmt: skip
    return "\r\n".join(given).encode() + block + b"\r\n\r\n"


def pages(*numbers: int) -> list[bytes]:
    return [record(number, http(page(number))) for number in numbers]


def packed(records: Sequence[bytes]) -> list[bytes]:
    return [gzip.compress(one, mtime=0) for one in records]


def read(folder: Path, content: bytes, name: str = "a.warc", **options: object) -> tuple[list[Record], list[Record]]:
    """The documents and the quarantine entries of an archive with this content."""
    (folder / name).write_bytes(content)
    rows = list(warc(File(str(folder / name), name), **options))  # type: ignore[arg-type]  # any option
    aside = [row["quarantine"] for row in rows if "quarantine" in row]
    return [row for row in rows if "quarantine" not in row], aside  # type: ignore[return-value]  # entries are records


def numbers(rows: Sequence[Record]) -> list[int]:
    return [int(str(row["text"]).partition(".")[0]) for row in rows]


def test_a_page_knows_where_and_when_it_was_captured(tmp_path: Path) -> None:
    first = record(1, b"software: me", "Content-Type: application/warc-fields", kind="warcinfo")
    (row,), aside = read(tmp_path, first + pages(2)[0])
    assert not aside
    assert str(row["text"]).startswith(f"2.0 {WORDS}")
    assert (row["uri"], row["offset"], row["date"]) == ("a.warc", len(first), "2020-01-02T03:04:05Z")
    assert row["key"] == "<urn:uuid:2>"
    assert row["meta"] == {
        "url": "https://example.org/2", "title": "Page 2", "language": "en", "encoding": "utf-8", "mode": "quality",
    }  # fmt: skip


def test_the_offset_in_a_packed_archive_is_that_of_the_member(tmp_path: Path) -> None:
    members = packed(pages(1, 2, 3))
    rows, _ = read(tmp_path, b"".join(members), "a.warc.gz")
    assert [row["offset"] for row in rows] == [0, len(members[0]), len(members[0] + members[1])]


def test_only_html_that_was_found_is_a_document(tmp_path: Path) -> None:
    others = [
        record(1, b"GET / HTTP/1.1\r\n\r\n", kind="request"),
        record(2, http(page(2), status="404 Not Found")),
        record(3, http(b"\x89PNG", kind="image/png")),
        record(4, http(b"")),
        record(5, http(page(5)), kind="revisit"),
        record(6, b"\x89PNG", "Content-Type: image/png", kind="resource"),
    ]
    found = [record(7, page(7), "Content-Type: text/html", kind="resource"), record(8, http(page(8), kind=""))]
    rows, aside = read(tmp_path, b"".join([*others, *found]))
    assert (numbers(rows), aside) == ([7, 8], [])
    assert numbers(read(tmp_path, b"".join([*others, *found]), types=["resource"])[0]) == [7]


def test_the_text_of_a_wet_file_is_taken_as_it_is(tmp_path: Path) -> None:
    text = "Überschrift\n\n  Menu Home\nund Text"
    (row,), _ = read(tmp_path, record(1, text.encode(), "Content-Type: text/plain", kind="conversion"), "a.warc.wet")
    assert row["text"] == text


def chunks(body: bytes) -> bytes:
    pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(page(1), mtime=0), ["Content-Encoding: gzip"]),
        (zlib.compress(page(1)), ["Content-Encoding: deflate"]),
        (pa.Codec("brotli").compress(page(1), asbytes=True), ["Content-Encoding: br"]),
        (chunks(page(1)), ["Transfer-Encoding: chunked"]),
        (chunks(gzip.compress(page(1), mtime=0)), ["Transfer-Encoding: chunked", "Content-Encoding: gzip"]),
        (page(1), ["Transfer-Encoding: chunked"]),  # is not, as some servers and writers of archives have it
        (page(1), ["Content-Encoding: gzip"]),
    ],
)
def test_payloads_are_unpacked_and_false_claims_about_them_seen_through(
    tmp_path: Path, body: bytes, headers: list[str]
) -> None:
    rows, aside = read(tmp_path, record(1, http(body, *headers)))
    assert (numbers(rows), aside) == ([1], [])


def test_a_payload_that_cannot_be_unpacked_is_quarantined_and_a_short_one_marked(tmp_path: Path) -> None:
    whole = gzip.compress(page(1))
    broken = record(1, http(whole[:30] + b"?" * 20 + whole[50:], "Content-Encoding: gzip"))
    long = gzip.compress(b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(400)) + page(2))
    short = record(2, http(long[:-9], "Content-Encoding: gzip", f"Content-Length: {len(long)}"))
    rows, aside = read(tmp_path, broken + short, mode="fast")
    assert ["cannot be decoded" in str(entry["error"]) for entry in aside] == [True]
    assert [row["meta"]["truncated"] for row in rows] == ["shorter than its Content-Length"]  # type: ignore[index]  # meta is a dict


def test_what_says_that_it_is_a_page_and_cannot_be_read_as_one_is_quarantined(tmp_path: Path) -> None:
    kind = "Content-Type: application/http; msgtype=response"
    records = [
        record(1, b"garbage" + http(page(1)), kind),
        record(2, http(page(2), status=""), kind),
        record(3, http(page(3))[:900], kind, "WARC-Segment-Number: 1"),
        record(3, http(page(3))[900:], kind, "WARC-Segment-Number: 2", kind="continuation"),
    ]
    rows, aside = read(tmp_path, b"".join(records))
    assert rows == []
    assert [("status" in str(entry["error"]), "segment" in str(entry["error"])) for entry in aside] == [
        (True, False), (True, False), (False, True), (False, True),
    ]  # fmt: skip
    assert all(entry["raw"] for entry in aside)


def test_a_page_that_is_not_utf8_is_read_by_what_the_server_says(tmp_path: Path) -> None:
    words = "Паром не ходит по воскресеньям, а в другие дни только до темноты."
    block = http(page(1, words).decode().encode("koi8-r"), kind="text/html; charset=KOI8-R")
    (row,), _ = read(tmp_path, record(1, block))
    assert words in str(row["text"])


@pytest.mark.parametrize("length", [0, 100, 1_000_000])
def test_a_wrong_length_costs_one_record(tmp_path: Path, length: int) -> None:
    wrong = record(2, http(page(2)), length=length)
    first, third = pages(1, 3)
    rows, aside = read(tmp_path, first + wrong + third)
    assert numbers(rows) == [1, 3]
    assert [(entry["offset"], entry["raw"]) for entry in aside] == [(len(first), wrong)]


def test_garbage_between_records_is_quarantined_and_reading_goes_on(tmp_path: Path) -> None:
    first, second = pages(1, 2)
    rows, aside = read(tmp_path, b"not a record\n" * 3 + first + second)
    assert (numbers(rows), [entry["raw"] for entry in aside]) == ([1, 2], [b"not a record\n" * 3])
    rows, aside = read(tmp_path, b"WARC/1.0\r\nWARC-Type response" + b"\xff" * 99 + b"\r\n" + first)
    assert (numbers(rows), len(aside)) == ([1], 1)


@pytest.mark.parametrize("damage", ["flipped", "checksum", "header"])
def test_a_damaged_gzip_member_costs_what_is_in_it(tmp_path: Path, damage: str) -> None:
    members = packed(pages(1, 2, 3))
    broken = bytearray(members[1])
    place = {"flipped": len(broken) // 2, "checksum": len(broken) - 6, "header": 1}[damage]
    broken[place] ^= 0x5A
    rows, aside = read(tmp_path, members[0] + broken + members[2], "a.warc.gz")
    assert numbers(rows) == [1, 3]
    assert [entry["offset"] for entry in aside] == [len(members[0])]
    assert all(entry["raw"] for entry in aside)


def test_a_cut_archive_gives_all_whole_records_and_the_rest_as_raw_bytes(tmp_path: Path) -> None:
    records = pages(1, 2, 3)
    cuts = {
        "a.warc": b"".join(records)[:-200],
        "a.warc.gz": b"".join(packed(records))[:-50],
        "one.warc.gz": gzip.compress(b"".join(records))[:-12],
    }
    for name, content in cuts.items():
        rows, aside = read(tmp_path, content, name)
        assert numbers(rows) == [1, 2], name
        assert [str(entry["raw"])[2:10] for entry in aside] == ["WARC/1.0"], name


def test_a_record_may_lie_in_several_members_and_many_in_one(tmp_path: Path) -> None:
    one, two, three = pages(1, 2, 3)
    first, second, last = packed([one[:150], one[150:] + two, three])
    content = first + second + b"\0" * 7 + last
    rows, aside = read(tmp_path, content, "a.warc.gz")
    assert (numbers(rows), aside) == ([1, 2, 3], [])
    assert [row["offset"] for row in rows] == [0, len(first), len(content) - len(last)]


def test_what_is_packed_is_read_whatever_its_name_says(tmp_path: Path) -> None:
    assert numbers(read(tmp_path, b"".join(packed(pages(1, 2))), "a.warc.bad")[0]) == [1, 2]


def test_a_zstandard_archive_is_read_as_far_as_it_unpacks(tmp_path: Path) -> None:
    content = zstandard.compress(b"".join(pages(1, 2)))
    assert numbers(read(tmp_path, content, "a.warc.zst")[0]) == [1, 2]
    rows, aside = read(tmp_path, content[:-8], "a.warc.zst")
    assert len(rows) < 2
    assert "cut or damaged" in str(aside[-1]["error"])


def test_an_empty_archive_is_quarantined(tmp_path: Path) -> None:
    for content, name in ((b"", "a.warc"), (b"", "a.warc.gz")):
        rows, aside = read(tmp_path, content, name)
        assert (rows, [entry["error"] for entry in aside]) == ([], ["the file is empty"])


def test_a_long_damaged_stretch_is_kept_in_part_with_its_length(tmp_path: Path) -> None:
    (_, *_), (entry,) = read(tmp_path, b"?" * 100_000 + b"\n" + pages(1)[0])
    assert len(entry["raw"]) == 1 << 16  # type: ignore[arg-type]  # bytes
    assert "the first 65,536 of 100,001 bytes are kept" in str(entry["error"])


def test_changed_bytes_are_noticed_where_digests_are_checked(tmp_path: Path) -> None:
    block = http(page(1))
    digest = hashlib.sha1(block).digest()
    right = record(1, block, f"WARC-Block-Digest: sha1:{b32encode(digest).decode()}")
    changed = record(2, http(page(2)), f"WARC-Block-Digest: sha1:{digest.hex()}")
    assert numbers(read(tmp_path, right + changed)[0]) == [1, 2]
    rows, aside = read(tmp_path, right + changed, check_digests=True)
    assert (numbers(rows), ["does not have" in str(entry["error"]) for entry in aside]) == ([1], [True])


def arc_record(number: int, block: bytes, length: str = "") -> bytes:
    head = f"http://example.org/a page/{number} 127.0.0.1 20100203040506 text/html {length or len(block)}\n"
    return head.encode() + block + b"\n"


def test_an_arc_file_is_read_and_its_bad_records_quarantined(tmp_path: Path) -> None:
    info = b"1 0 Crawl\nURL IP-address Archive-date Content-type Archive-length\n"
    start = b"filedesc://a.arc 127.0.0.1 20100203040506 text/plain %d\n%s\n" % (len(info), info)
    bad = arc_record(2, http(page(2)), "abc")
    rows, aside = read(tmp_path, start + arc_record(1, http(page(1))) + bad + arc_record(3, http(page(3))), "a.arc")
    assert numbers(rows) == [1, 3]
    assert [row["date"] for row in rows] == ["2010-02-03T04:05:06Z"] * 2
    assert rows[0]["meta"]["url"] == "http://example.org/a page/1"  # type: ignore[index]  # meta is a dict
    assert [entry["raw"] for entry in aside] == [bad]


def read_all(content: bytes, path: Path) -> list[Entry]:
    path.write_bytes(content)
    return list(entries(File(str(path), path.name), lambda head: True))


def test_wherever_a_packed_archive_is_damaged_the_other_members_stay_whole(tmp_path: Path) -> None:
    members = packed(pages(*range(1, 7)))
    content = b"".join(members)
    starts = [sum(map(len, members[:number])) for number in range(len(members))]
    whole = {entry.offset: entry.block for entry in read_all(content, tmp_path / "a.warc.gz")}
    for place in range(0, len(content), 17):
        hurt = max(number for number, start in enumerate(starts) if start <= place)
        broken = content[:place] + bytes([content[place] ^ 0xA5]) + content[place + 1 :]
        found = {entry.offset: entry.block for entry in read_all(broken, tmp_path / "b.warc.gz") if not entry.error}
        wanted = {offset: block for offset, block in whole.items() if offset != starts[hurt]}
        assert {offset: found.get(offset) for offset in wanted} == wanted, place


def test_every_byte_of_a_damaged_plain_archive_is_in_a_record_or_in_quarantine(tmp_path: Path) -> None:
    content = b"".join(pages(1, 2, 3, 4))
    for place in range(0, len(content), 331):
        broken = content[:place] + b"\x00junk\r\n" + content[place + 40 :]
        found = read_all(broken, tmp_path / "a.warc")
        ends = [*(entry.offset for entry in found[1:]), len(broken)]
        for entry, end in zip(found, ends, strict=True):
            piece = broken[entry.offset : end].rstrip(b"\r\n")
            assert entry.raw.startswith(piece) if entry.error else piece.endswith(entry.block.rstrip(b"\r\n"))
        assert found[0].offset == 0


def test_every_real_archive_is_read_and_accounted_for() -> None:
    if "TUNESMITH_DATA" not in os.environ:
        pytest.skip("TUNESMITH_DATA does not name the folder of real data sets")
    folder = Path(os.environ["TUNESMITH_DATA"]) / "warc"
    files = [path for path in sorted(folder.rglob("*")) if any(suffix in path.name for suffix in (".arc", ".warc"))]
    assert files
    for path in files:
        file = File(str(path), path.name)
        found = list(entries(file, lambda head: True))
        damaged = sum(bool(entry.error) for entry in found)
        rows = list(warc(file, mode="fast"))
        assert found
        assert sum("quarantine" in row for row in rows) >= damaged
        assert len(rows) <= len(found)
