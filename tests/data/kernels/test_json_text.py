"""JSON of text columns is, byte for byte, what orjson writes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import orjson
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.kernels.json_text import json_objects

# Signs that are escaped, in runs longer than the bytes that are looked at together.
TEXT = st.none() | st.text(alphabet=st.sampled_from('ab"\\/\n\t\r\b\f\x00\x1f\x7fé\u2028😀'), max_size=70) | st.text()


def rows_of(columns: Mapping[str, pa.Array]) -> list[bytes]:
    data, ends = json_objects(columns)
    return [data[start:stop].tobytes() for start, stop in pairwise(ends)]


def dumped(columns: Mapping[str, list[str | None]]) -> list[bytes]:
    names = sorted(columns)
    rows = zip(*(columns[name] for name in names), strict=True)
    return [orjson.dumps({n: v for n, v in zip(names, row, strict=True) if v is not None}) for row in rows]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.integers(0, 3))
def test_any_text_is_written_as_orjson_writes_it(rows: list[tuple[str | None, str | None]], skipped: int) -> None:
    texts, metas = ([row[place] for row in rows] for place in range(2))
    arrays = {"text": pa.array(texts, pa.string()), "meta": pa.array(metas, pa.string())}
    assert rows_of(arrays) == dumped({"text": texts, "meta": metas})
    sliced = {name: column[skipped:] for name, column in arrays.items()}
    assert rows_of(sliced) == dumped({"text": texts[skipped:], "meta": metas[skipped:]})


def test_every_single_sign_below_256_is_right() -> None:
    signs: list[str | None] = [chr(code) * 20 for code in range(256)]
    assert rows_of({"text": pa.array(signs)}) == dumped({"text": signs})
