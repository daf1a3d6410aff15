"""datasketch's MinHash of 128 permutations, in its own environment: `python datasketch_minhash.py FILE.jsonl`.

Prints the processor seconds of cutting texts into word 5-grams in Python, and of signing them, as one line of JSON.
"""

import json
import re
import sys
import time
from pathlib import Path

from datasketch import MinHash

WORDS = re.compile(r"\w+")
PERMUTATIONS = 128


def main() -> None:
    """Time both on texts that are already in memory, after one to warm up."""
    texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    sign(shingles(texts[0]))
    begun = time.process_time()
    sets = [shingles(text) for text in texts]
    cut = time.process_time()
    for grams in sets:
        sign(grams)
    seconds = {"shingles": cut - begun, "signatures": time.process_time() - cut}
    print(json.dumps({"documents": len(texts), "seconds": seconds}))


def shingles(text: str) -> set[bytes]:
    """The word 5-grams of a text; all words of a shorter one."""
    words = WORDS.findall(text.lower())
    return {" ".join(words[at : at + 5]).encode() for at in range(max(1, len(words) - 4))}


def sign(grams: set[bytes]) -> MinHash:
    """The signature of a set."""
    signature = MinHash(num_perm=PERMUTATIONS)
    signature.update_batch(grams)
    return signature


if __name__ == "__main__":
    main()
