"""Addresses of web pages in one form, so that two ways to write one address are equal."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import orjson
import pyarrow as pa

WEB = ("http", "https")
DEFAULT_PORTS = {"http": 80, "https": 443}
TRACKING = frozenset(  # parameters that tell where a reader came from and never what is shown, beside utm_*
    ("_ga", "_gl", "dclid", "fbclid", "gbraid", "gclid", "igshid", "mc_cid", "mc_eid", "msclkid", "twclid", "wbraid")
)
CUT = ("page", "chapter")  # in the meta of a row that is a part of its file


def canonical_url(url: str) -> str:
    """An address without what does not tell pages apart.

    Scheme and host are in small letters; the fragment, the scheme's own port, slashes at the end of the path and
    parameters of tracking (utm_*, gclid, fbclid and their like) are left out. All else stays as it is, the order of
    parameters too.

    >>> canonical_url("HTTPS://Example.org:443/News/?utm_source=mail&id=7#top")
    'https://example.org/News?id=7'
    >>> canonical_url("http://example.org:8080"), canonical_url("http://[broken")
    ('http://example.org:8080', 'http://[broken')
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    user, at, host = parts.netloc.rpartition("@")
    host = host.lower()
    if port is not None and port == DEFAULT_PORTS.get(parts.scheme):
        host = host.rpartition(":")[0]
    pairs = [pair for pair in parts.query.split("&") if pair and not _is_tracking(pair.partition("=")[0].lower())]
    return urlunsplit((parts.scheme, user + at + host.removesuffix(":"), parts.path.rstrip("/"), "&".join(pairs), ""))


def _is_tracking(name: str) -> bool:
    return name in TRACKING or name.startswith("utm_")


def addresses_of(rows: pa.RecordBatch) -> pa.StringArray:
    """The canonical address of each row; null where none is known.

    It is the `url` of its meta or, where a whole file is one row, the web address the file was read from.
    """
    nothing = [None] * rows.num_rows
    metas, origins = (rows[name].to_pylist() if name in rows.schema.names else nothing for name in ("meta", "origin"))
    found = [_address(meta, origin) for meta, origin in zip(metas, origins, strict=True)]
    return pa.array([canonical_url(url) if url else None for url in found], pa.string())


def _address(text: str | None, origin: Mapping[str, object] | None) -> str | None:
    meta = orjson.loads(text) if text else {}
    if url := meta.get("url"):
        return url if isinstance(url, str) else None
    uri = (origin or {}).get("uri")
    if origin is None or not isinstance(uri, str) or uri.partition("://")[0].lower() not in WEB:
        return None
    is_part = origin["line"] is not None or origin["offset"] is not None or any(name in meta for name in CUT)
    return None if is_part else uri
