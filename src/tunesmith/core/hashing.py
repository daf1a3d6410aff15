"""Hashes that name things: canonical JSON, file contents, and the KEY of a step."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

CHUNK_BYTES = 1 << 20


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal bytes, whatever order they were written in."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 1.0 and 1 are the same parameter
    if isinstance(value, Path):
        return value.as_posix()
    return value


def sha256(data: bytes | str) -> str:
    """SHA-256 of bytes, or of the UTF-8 of a string, as hexadecimal."""
    return hashlib.sha256(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).hexdigest()


def key_of(value: object) -> str:
    """The KEY of a step: the first 20 hexadecimal digits of the SHA-256 of its canonical JSON."""
    return sha256(canonical_json(value))[:20]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def hash128(parts: Iterable[str | bytes]) -> bytes:
    """16 bytes that stand for these parts, in order; no two lists of parts run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def unit_interval(parts: Iterable[str | bytes]) -> float:
    """A number in [0, 1) drawn from a hash: the same parts always draw the same number."""
    return int.from_bytes(hash128(parts)[:8], "little") / 2.0**64
