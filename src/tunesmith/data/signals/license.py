"""The licence that a record's source gave it."""

from __future__ import annotations

import pyarrow as pa

from tunesmith.data.texts import column_of

VERSION = 1


def license(records: pa.RecordBatch) -> pa.StringArray:
    """Licence of a record as its source gave it, an SPDX name such as MIT; not measured where it gave none.

    >>> license(pa.RecordBatch.from_pydict({"license": ["CC0-1.0", None]})).to_pylist()
    ['CC0-1.0', None]
    >>> license(pa.RecordBatch.from_pydict({"text": ["A source without licences."]})).to_pylist()
    [None]
    >>> len(license(pa.RecordBatch.from_pydict({"license": ["MIT", "MIT", "Apache-2.0"]})))
    3
    """
    return column_of(records, "license")
