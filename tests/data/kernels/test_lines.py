"""Lines of texts: where they end, which of them count, and one hash for equal ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.kernels.lines import hash_lines, line_end, line_hash, repeated, room_for
from tunesmith.data.kernels.words import table
from tunesmith.data.views import bytes_of

SIGNS = table(())


def hashes(text: str, shortest: int = 1) -> list[int]:
    data, offsets = bytes_of(pa.array([text]))
    room = room_for(data, offsets)
    out = np.empty(len(room.ends) + 1, np.uint64)
    count = hash_lines(data, offsets, SIGNS, shortest, room, out)
    assert not room.seen.any()
    return out[:count].tolist()


def counts(line: str, shortest: int) -> bool:
    """In plain Python, whether a line counts."""
    bare = line.strip()
    begins = bool(line) and not line[0].isspace() and ord(line[0]) > 32
    return begins and len(bare) >= shortest and any(sign.isalnum() for sign in bare)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from("ab \t\r\n\x0b\x1c\x85\xa0\u2003\u3000_-–é日0\U0001f44b"), max_size=60), st.integers(1, 9)
)
def test_the_lines_that_count_are_those_of_plain_python(text: str, shortest: int) -> None:
    expected = {line.strip() for line in text.split("\n") if counts(line, shortest)}
    if text:
        assert len(hashes(text, shortest)) == len(expected)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 12))
def test_a_newline_is_found_wherever_it_stands(data: bytes, begin: int) -> None:
    begin = min(begin, len(data))
    found = data.find(b"\n", begin)
    given = np.frombuffer(data + b"\n", np.uint8)
    assert line_end(given, begin, len(data)) == (len(data) if found < 0 else found)


def test_every_byte_and_the_length_of_a_line_are_in_its_hash() -> None:
    seen = set()
    for size in range(1, 40):
        line = np.full(size, 97, np.uint8)
        seen.add(int(line_hash(line, 0, size)))
        for place in range(size):
            changed = line.copy()
            changed[place] = 98
            seen.add(int(line_hash(changed, 0, size)))
    assert len(seen) == sum(size + 1 for size in range(1, 40))


def test_where_a_line_stands_does_not_change_its_hash() -> None:
    line = b"All rights reserved by the authors."
    found = {
        int(line_hash(np.frombuffer(b"x" * begin + line + b"y" * 9, np.uint8), begin, begin + len(line)))
        for begin in range(20)
    }
    assert len(found) == 1


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, 1000])
def test_a_set_holds_what_was_put_in(size: int) -> None:
    wanted = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(1 << 40)  # their lowest bits are all equal
    made = repeated(wanted, np.arange(size, dtype=np.int32), np.full(size, -1, np.int32))
    assert sorted(made.hashes[made.hashes > 0].tolist()) == wanted.tolist()
    assert sorted(made.first[made.hashes > 0].tolist()) == list(range(size))
