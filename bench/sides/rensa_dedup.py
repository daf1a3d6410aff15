"""rensa's near-duplicates, in its own environment: `python rensa_dedup.py flags|keep THRESHOLD FILE.parquet ...`.

Word 5-grams are made in Python, which its API needs; 128 permutations over all of them. `flags` is its fastest way,
the matrix and flags of 16 bands, which marks every row that shares a band with another. `keep` is its deduplicator,
which keeps one of those whose signatures agree. Prints what it removes, as one line of JSON.
"""

import json
import re
import sys

import pyarrow.parquet as pq
from rensa import RMinHash, RMinHashDeduplicator, RMinHashLSH

MODE, THRESHOLD, FILES = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
WORDS = re.compile(r"\w+")
PERMUTATIONS, SEED, BANDS = 128, 42, 16


def main() -> None:
    """Read, cut into 5-grams, sign, compare."""
    texts = [text for path in FILES for text in pq.read_table(path, columns=["text"])["text"].to_pylist()]
    told = flags(texts) if MODE == "flags" else keep(texts)
    print(json.dumps({"documents": len(texts), **told}))


def shingles(text: str) -> list[str]:
    """The word 5-grams of a text; all words of a shorter one."""
    words = WORDS.findall(text.lower())
    return [" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))]


def flags(texts: list[str]) -> dict[str, object]:
    """Which rows share a band with another."""
    matrix = RMinHash.digest_matrix_from_token_sets([shingles(text) for text in texts], PERMUTATIONS, SEED)
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    flagged = index.query_duplicate_flags_matrix_one_shot(matrix)
    return {"removed": [str(place) for place, flag in enumerate(flagged) if flag]}


def keep(texts: list[str]) -> dict[str, object]:
    """Which rows are like one before them that stays, and the clusters of those that are like the same one."""
    signatures = RMinHash.from_token_sets([shingles(text) for text in texts], PERMUTATIONS, SEED)
    index = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
    removed: list[str] = []
    clusters: dict[str, list[str]] = {}
    for place, signature in enumerate(signatures):
        alike = index.get_duplicates(signature)
        if not index.add(str(place), signature):
            first = min(alike, key=int)
            removed.append(str(place))
            clusters.setdefault(first, [first]).append(str(place))
    return {"removed": removed, "clusters": list(clusters.values())}


if __name__ == "__main__":
    main()
