"""tunesmith's MinHash of 128 permutations from text: `python tunesmith_minhash.py FILE.jsonl`.

Prints the processor seconds over all documents, as one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

import pyarrow as pa

from tunesmith.data.kernels.minhash import signatures
from tunesmith.data.kernels.words import table

BATCH = 1_000  # documents
PASSES = 5  # over all documents: one takes a tenth of a second


def main() -> None:
    """Time it on batches that are already in memory, after one to warm up."""
    texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    batches = [pa.array(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    sign(batches[0])
    begun = time.process_time()
    for batch in batches * PASSES:
        sign(batch)
    seconds = (time.process_time() - begun) / PASSES
    print(json.dumps({"documents": len(texts), "seconds": {"minhash": seconds}}))


def sign(texts: pa.StringArray) -> None:
    """Word 5-grams of small letters, as near_dedup has them by default."""
    signatures(texts, table(("case",)), by_characters=False, n=5, permutations=128)


if __name__ == "__main__":
    main()
