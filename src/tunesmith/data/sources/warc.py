"""Web archives: the pages of WARC, WET and ARC files."""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, cast

from fastwarc.warc import WarcRecord

from tunesmith.core.record import Record
from tunesmith.data.files import File
from tunesmith.data.sources._archive import RAW_BYTES, Entry, entries
from tunesmith.data.sources._pages import Empty, Mode, decode, page
from tunesmith.data.sources._whole import quarantined

VERSION = 1
USES = ("fastwarc", "lxml", "resiliparse", "trafilatura")  # their versions are part of the KEY
SUFFIXES = (".warc", ".wet", ".arc")
Type = Literal["response", "resource", "conversion"]
HTML = ("text/html", "application/xhtml+xml")
LOOKS_LIKE_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|\?xml\b.{0,200}?<html)", re.I | re.S)
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.I)
CONTINUATION = "continuation"
NO_PAGE: Record = {}


def warc(
    file: File,
    *,
    mode: Mode = "quality",
    types: Sequence[Type] = ("response", "resource", "conversion"),
    empty: Empty = "keep",
    check_digests: bool = False,
) -> Iterator[Record]:
    """The pages of a web archive: WARC, WET (text as it is there) or ARC, packed (.gz) or not.

    A document is a response with status 200 that is HTML and not empty, an HTML resource, or the text of a conversion;
    `types` says which of them. Everything else is no document and no row: requests, metadata, warcinfo, revisits,
    other status codes, other media types. `mode` and `empty` are those of the source html, but a page without main
    text stays as an empty one unless `empty: quarantine`: a crawl is full of them. The date is that of the capture, the
    offset that of the record or, packed, of its gzip member; `meta` has the address (`url`), what the page says about
    itself, its own date as `published`, and `truncated` where the crawler says that it cut the page, or the server that
    there was more of it.

    What is damaged is quarantined with its offset and first 64 KB: a file or gzip member that is cut or cannot be
    unpacked, a length that is wrong, a payload that cannot be decoded, a page over 20 MB. Reading goes on at the next
    line that begins a record, or at the next gzip member that does. Lost is only what stands behind the damage in the
    same gzip member: in a file that was packed as one, all the rest of it. Bytes that changed where no checksum covers
    them are noticed by `check_digests: true` alone, which quarantines records that do not have their WARC-Block-Digest.
    """
    for entry in entries(file, lambda head: head.get("warc-type") in (*types, CONTINUATION)):
        changed = check_digests and not has_its_digest(entry)
        row = (
            {"error": "the record does not have its WARC-Block-Digest"}
            if changed
            else row_of(entry, types, mode, empty)
        )
        if row:
            yield _placed(file, entry, row)


def row_of(entry: Entry, types: Sequence[str], mode: Mode, empty: Empty) -> Record:
    """The document that a record is, or an `error`; nothing where it is no document by what it is."""
    if entry.error:
        return {"error": _with_size(entry.error, entry.size)}
    if "warc-segment-number" in entry.head and entry.type in (*types, CONTINUATION):
        return {"error": "the record is one segment of several, which are not joined"}
    if entry.type not in types or not entry.block:
        return NO_PAGE
    if entry.type == "conversion":
        return _text(entry)
    if entry.type == "resource":
        media_type = entry.head.get("content-type", "")
        return (
            page(entry.block, mode, declared=_charset(media_type), empty=empty)
            if _is_html(media_type, b"")
            else NO_PAGE
        )
    return _response(entry, mode, empty)


def has_its_digest(entry: Entry) -> bool:
    """Whether the block has the digest in its header, in hexadecimal or Base32; also where there is none to compare."""
    name, _, value = entry.head.get("warc-block-digest", "").lower().partition(":")
    if name not in ("md5", "sha1", "sha256", "sha512") or not entry.block:
        return True
    digest = hashlib.new(name, entry.block, usedforsecurity=False).digest()
    return value in (digest.hex(), b32encode(digest).decode().lower())


def _text(entry: Entry) -> Record:
    """A record of a WET file: text that another program took from a page."""
    if not _media_type(entry.head.get("content-type", "")).startswith("text/plain"):
        return NO_PAGE
    language = entry.head.get("warc-identified-content-language")
    return {"text": decode(entry.block).text, "meta": {"language": language} if language else {}}


def _response(entry: Entry, mode: Mode, empty: Empty) -> Record:
    try:
        http, body = _http(entry)
    except OSError as error:
        return {"error": f"the HTTP payload cannot be decoded: {str(error)[:200]}"}
    if not http[":status"]:
        return {"error": "the record has no HTTP status, though it says that it is HTTP"}
    media_type = http.get("content-type", "")
    if http[":status"] != "200" or not body or not _is_html(media_type, body):
        return NO_PAGE
    found = page(body, mode, declared=_charset(media_type), empty=empty)
    if "error" in found or not _is_cut(http, entry.block):
        return found
    return {
        **found,
        "meta": {**cast(Mapping[str, object], found["meta"]), "truncated": "shorter than its Content-Length"},
    }


def _is_cut(http: Mapping[str, str], block: bytes) -> bool:
    """Whether a packed body is shorter than the server said; others lose their length when an archive unpacks them."""
    length, body = http.get("content-length", ""), len(block.partition(b"\r\n\r\n")[2])
    return "content-encoding" in http and length.isdecimal() and body < int(length)


def _http(entry: Entry) -> tuple[dict[str, str], bytes]:
    """Headers (and `:status`) and body of an HTTP response, unpacked; raises OSError where that cannot be done.

    Some servers, and some writers of archives, say that a body is packed or in chunks when it is not: a body that
    begins like a page although it cannot be unpacked is taken as it is.
    """
    kind = entry.head.get("arc-type") or entry.head.get("content-type", "")
    if not entry.block.startswith(b"HTTP/"):  # ARC files hold some pages without, and archives what is not from HTTP
        return {":status": "" if _media_type(kind) == "application/http" else "200", "content-type": kind}, entry.block
    try:
        return _decoded(entry.block, "all")
    except OSError:
        http, body = _decoded(entry.block, "none")
        if not LOOKS_LIKE_HTML.match(body):
            raise
        return http, body


def _decoded(block: bytes, how: Literal["all", "none"]) -> tuple[dict[str, str], bytes]:
    head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
    record = WarcRecord.from_bytes(b"%sContent-Length: %d\r\n\r\n%s\r\n\r\n" % (head, len(block), block))
    record.parse_http(auto_decode=how, quirks_mode=True)
    http = {name.lower(): value for name, value in record.http_headers.items()}
    return {**http, ":status": str(record.http_headers.status_code or "")}, record.reader.read()


def _is_html(media_type: str, body: bytes) -> bool:
    known = _media_type(media_type)
    return known in HTML or (not known and LOOKS_LIKE_HTML.match(body) is not None)


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _charset(header: str) -> str | None:
    found = CHARSET.search(header)
    return found[1] if found else None


def _placed(file: File, entry: Entry, row: Record) -> Record:
    """A row with where it is from."""
    head = entry.head
    url = head.get("warc-target-uri", "").removeprefix("<").removesuffix(">")  # as wget before 1.20 writes it
    if "error" in row:
        error = f"{row['error']} ({url})" if url else row["error"]
        return quarantined(file, str(error), entry.raw or entry.block[:RAW_BYTES], offset=entry.offset)
    own = {"url": url, "published": row.get("date"), "truncated": head.get("warc-truncated")}
    meta = {**cast(Mapping[str, object], row["meta"]), **{name: value for name, value in own.items() if value}}
    key = head.get("warc-record-id") or f"{url} {head.get('warc-date', '')}"
    place = {"uri": file.uri, "offset": entry.offset, "date": head.get("warc-date")}
    return {**row, **place, "key": key, "meta": meta}


def _with_size(error: str, size: int) -> str:
    return f"{error}; the first {RAW_BYTES:,} of {size:,} bytes are kept" if size > RAW_BYTES else error
