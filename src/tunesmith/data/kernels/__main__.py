"""`python -m tunesmith.data.kernels` compiles every kernel now, so that the first run does not wait for it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from tunesmith.core.record import Fitted
from tunesmith.data.edits.redact_pii import redact_pii
from tunesmith.data.files import File
from tunesmith.data.signals.language import language
from tunesmith.data.signals.perplexity import fit, perplexity
from tunesmith.data.signals.punctuation_errors import punctuation_errors
from tunesmith.data.signals.toxicity import toxicity
from tunesmith.data.sources.csv import split
from tunesmith.data.sources.jsonl import jsonl
from tunesmith.data.views import Views

TEXTS = pa.array(["Call +44 20 7946 0018 or mail jo@example.org: «Größe», 日本語. " * 9, None, "-", "One line.\nTwo."])


def compile_all() -> None:
    """Call everything that has a kernel once, on a few texts."""
    with TemporaryDirectory() as folder:
        fit(iter([TEXTS]), Path(folder))
        perplexity(TEXTS, model=Fitted(folder))
        rows = Path(folder, "rows.jsonl")
        rows.write_text('{"text": "caf\\u00e9", "n": 1}\n{"text": "two"}\n', "utf-8")
        list(jsonl(File(str(rows), rows.name)))
        table = Path(folder, "rows.csv")
        table.write_text('text\n"one\ntwo"\nthree\n' * 9, "utf-8")
        split(File(str(table), table.name), 16)
    for measure in (language, toxicity, punctuation_errors, redact_pii):
        measure(TEXTS)
    assert len(Views(TEXTS).counts.words) == len(TEXTS)


if __name__ == "__main__":
    compile_all()
