"""Compressed bytes: all that stands before a fault is read, and the fault is told."""

from __future__ import annotations

import gzip
import io

import pytest
import zstandard

from tunesmith.data.packed import unpacked

CONTENT = b"".join(b"line %d is %d long\n" % (number, number**5) for number in range(20_000))
PACK = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}


def read(packed: bytes, suffix: str) -> tuple[bytes, str]:
    """What the lines of it come to, and how it ended."""
    found: list[bytes] = []
    try:
        with unpacked(io.BytesIO(packed), suffix) as stream:
            found.extend(stream)
    except (OSError, EOFError) as error:
        return b"".join(found), str(error)
    return b"".join(found), ""


@pytest.mark.parametrize("suffix", PACK)
def test_several_members_are_one_content(suffix: str) -> None:
    packed = PACK[suffix](CONTENT) + PACK[suffix](b"more")
    assert read(packed, suffix) == (CONTENT + b"more", "")


@pytest.mark.parametrize("suffix", PACK)
def test_of_a_cut_file_all_that_was_packed_before_the_cut_is_read(suffix: str) -> None:
    packed = PACK[suffix](CONTENT)
    found, error = read(packed[: len(packed) // 2], suffix)
    assert error == "the compressed data is cut off"
    assert CONTENT.startswith(found)
    assert len(found) > len(CONTENT) // 3


def test_a_gzip_that_only_lacks_its_checksum_loses_nothing() -> None:
    assert read(gzip.compress(CONTENT)[:-4], ".gz") == (CONTENT, "the compressed data is cut off")


def test_zeros_after_a_gzip_are_padding_and_other_bytes_a_fault() -> None:
    packed = gzip.compress(CONTENT)
    assert read(packed + bytes(512), ".gz") == (CONTENT, "")
    found, error = read(packed + b"garbage", ".gz")
    assert found == CONTENT
    assert "incorrect header" in error


@pytest.mark.parametrize("suffix", PACK)
def test_damage_in_the_middle_is_told_and_what_stands_before_it_read(suffix: str) -> None:
    packed = bytearray(PACK[suffix](CONTENT) + PACK[suffix](CONTENT))
    packed[-1000:] = b"\xff" * 1000
    found, error = read(bytes(packed), suffix)
    assert found.startswith(CONTENT)
    assert error


@pytest.mark.parametrize("suffix", PACK)
def test_no_bytes_are_no_content(suffix: str) -> None:
    assert read(b"", suffix) == (b"", "")
