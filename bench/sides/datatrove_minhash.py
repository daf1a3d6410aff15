"""datatrove's four MinHash stages, in its own environment: `python datatrove_minhash.py FILE.jsonl OUT BANDS ROWS`.

One task after the other; hashes of 64 bits and word 5-grams are its defaults, and so are 14 bands of 8 rows. Prints the
ids it removes and its clusters, as one line of JSON.
"""

import json
import os
import struct
import sys
from collections import defaultdict
from pathlib import Path

FILE, OUT, BANDS, ROWS = sys.argv[1:]
os.environ |= {"DATATROVE_COLORIZE_LOGS": "0", "HF_ASSETS_CACHE": f"{OUT}/assets", "HF_HUB_OFFLINE": "1"}

from datatrove.executor import LocalPipelineExecutor  # noqa: E402 - its settings are read when it is imported
from datatrove.pipeline.base import PipelineStep  # noqa: E402
from datatrove.pipeline.dedup import (  # noqa: E402
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402


def main() -> None:
    """Run the stages, and tell what they did."""
    config = MinhashConfig(n_grams=5, num_buckets=int(BANDS), hashes_per_bucket=int(ROWS))
    _stage("signatures", [_reader(), MinhashDedupSignature(f"{OUT}/signatures", config)])
    _stage("buckets", [MinhashDedupBuckets(f"{OUT}/signatures", f"{OUT}/buckets", config=config)], tasks=int(BANDS))
    _stage("clusters", [MinhashDedupCluster(f"{OUT}/buckets", f"{OUT}/marked", config, save_cluster_id=True)])
    kept = JsonlWriter(f"{OUT}/kept", compression=None)
    _stage("filter", [_reader(), MinhashDedupFilter(f"{OUT}/marked"), kept])
    ids = [json.loads(line)["id"] for line in Path(FILE).read_bytes().splitlines()]
    removed = [ids[number] for (number,) in _numbers("remove", "<I")]
    clusters = defaultdict(list)
    for number, cluster in _numbers("clusters", "<II"):
        clusters[cluster].append(ids[number])
    print(json.dumps({"documents": len(ids), "removed": removed, "clusters": list(clusters.values())}))


def _reader() -> PipelineStep:
    path = Path(FILE)
    return JsonlReader(str(path.parent), glob_pattern=path.name, compression=None)


def _stage(name: str, steps: list[PipelineStep], tasks: int = 1) -> None:
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{OUT}/logs/{name}").run()


def _numbers(kind: str, form: str) -> list[tuple[int, ...]]:
    path = Path(OUT, "marked", f"000000.{kind}")  # absent where there is nothing to remove
    return list(struct.iter_unpack(form, path.read_bytes())) if path.exists() else []


if __name__ == "__main__":
    main()
