"""Compressed bytes read as they unpack: all that stands before a cut or damaged place is given, then the error."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

READ_BYTES = 1 << 16  # at a time: what unpacks from so much is lost where data is damaged (not where it is cut)
BUFFER_BYTES = 1 << 17
PACKED = (".gz", ".zst")


class _Unpacker(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, /) -> bytes: ...


def unpacked(raw: BinaryIO, suffix: str) -> BinaryIO:
    """The content of a stream of gzip (.gz) or Zstandard (.zst) data; reading raises OSError where it is damaged."""
    fresh = {".gz": _gzip, ".zst": _zstandard}[suffix]
    return io.BufferedReader(_Unpacked(raw, fresh), BUFFER_BYTES)


def _gzip() -> _Unpacker:
    return cast(_Unpacker, zlib.decompressobj(wbits=31))  # a gzip header and a checksum at the end


def _zstandard() -> _Unpacker:
    from zstandard import ZstdDecompressor

    return cast(_Unpacker, ZstdDecompressor().decompressobj())


class _Unpacked(io.RawIOBase):
    """The members or frames of a stream, one after another."""

    def __init__(self, raw: BinaryIO, fresh: Callable[[], _Unpacker]) -> None:
        self._raw, self._fresh = raw, fresh
        self._unpacker: _Unpacker | None = None  # of the member at hand
        self._rest = b""  # read and not yet unpacked
        self._out = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of all that can be written to
        while not self._out:
            packed = self._rest or self._raw.read(READ_BYTES)
            if not packed:
                if self._unpacker is not None:
                    raise EOFError("the compressed data is cut off")
                return 0
            self._out = memoryview(self._unpack(packed))
        size = min(len(buffer), len(self._out))
        buffer[:size] = self._out[:size]
        self._out = self._out[size:]
        return size

    def _unpack(self, packed: bytes) -> bytes:
        unpacker = self._unpacker or self._fresh()
        try:
            out = unpacker.decompress(packed)
        except Exception as error:  # each library has an error of its own
            raise OSError(str(error)) from error
        self._rest = unpacker.unused_data.lstrip(b"\0")  # gzip files may be padded with zeros
        self._unpacker = None if unpacker.eof else unpacker
        return out

    def close(self) -> None:
        self._raw.close()
        super().close()
