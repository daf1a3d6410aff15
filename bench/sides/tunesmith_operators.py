"""tunesmith's own side where single operators are timed: `python tunesmith_operators.py FILE.jsonl`.

Prints the processor seconds of all quality signals in one call, and of redaction, as one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from ruamel.yaml import YAML

import tunesmith.data
from tunesmith.core.registry import Named
from tunesmith.data.ask import Call, Sight, call_of
from tunesmith.data.edits.redact_pii import redact_pii
from tunesmith.data.op import Op

PRESETS = ("gopher", "c4", "fineweb")
BATCH = 1_000  # documents
PASSES = 5  # over all documents: one takes a tenth of a second


def main() -> None:
    """Time both on batches that are already in memory, after one to warm up."""
    pa.set_cpu_count(1)
    texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    batches = [pa.record_batch({"text": pa.array(texts[at : at + BATCH])}) for at in range(0, len(texts), BATCH)]
    calls = _signals()

    def quality(batch: pa.RecordBatch) -> None:
        sight = Sight(batch)
        for call in calls:
            call.on_batch([sight.whole(name, None) for name in call.asks])

    seconds = {"quality": _seconds(quality, batches), "pii": _seconds(lambda b: redact_pii(b["text"]), batches)}
    print(json.dumps({"documents": len(texts), "seconds": seconds}))


def _signals() -> list[Call]:
    """The signals of the presets, each once."""
    folder = Path(tunesmith.data.__file__).parent / "presets"
    steps = [step for name in PRESETS for step in YAML(typ="safe").load(folder / f"{name}.yaml")["steps"]]
    names = sorted({step["signal"] for step in steps})
    return [call_of(Op("signal", Named("signal", name), name)) for name in names]


def _seconds(work: Callable[[pa.RecordBatch], object], batches: list[pa.RecordBatch]) -> float:
    work(batches[0])
    begun = time.process_time()
    for batch in batches * PASSES:
        work(batch)
    return (time.process_time() - begun) / PASSES


if __name__ == "__main__":
    main()
