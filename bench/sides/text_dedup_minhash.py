"""text-dedup's MinHash command, in its own environment: `python text_dedup_minhash.py FILE.jsonl OUT THRESHOLD`.

128 permutations, word 5-grams, its faster hash and the bands that it chooses for the threshold. Prints the ids it
removes and its clusters, as one line of JSON.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

FILE, OUT, THRESHOLD = sys.argv[1:]
os.environ |= {"HF_HOME": f"{OUT}/home", "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

from datasets import load_from_disk  # noqa: E402 - its settings are read when it is imported
from text_dedup import minhash  # noqa: E402

OPTIONS = {
    "path": "json", "data_files": FILE, "split": "train", "cache_dir": f"{OUT}/cache", "output": f"{OUT}/kept",
    "column": "text", "ngram": "5", "num_perm": "128", "hash_func": "xxh3", "threshold": THRESHOLD, "num_proc": "1",
    "min_length": "1",
}  # fmt: skip


def main() -> None:
    """Run the command, and tell what it did."""
    arguments = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    minhash.main(arguments, standalone_mode=False)
    ids = [json.loads(line)["id"] for line in Path(FILE).read_bytes().splitlines()]
    kept = set(load_from_disk(f"{OUT}/kept")["id"])
    clusters = defaultdict(list)
    for number in sorted(minhash.uf.parent):
        clusters[minhash.uf.find(number)].append(ids[number])
    told = {"documents": len(ids), "removed": [name for name in ids if name not in kept]}
    print(json.dumps(told | {"clusters": [names for names in clusters.values() if len(names) > 1]}))


if __name__ == "__main__":
    main()
