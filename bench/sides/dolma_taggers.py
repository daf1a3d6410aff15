"""dolma's taggers one by one: `python dolma_taggers.py FILE.jsonl TAGGER ...`; runs in dolma's own environment.

Prints the processor seconds of each over all documents, as one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

import dolma.taggers  # noqa: F401 - registers them
from dolma.core.data_types import Document
from dolma.core.registry import TaggerRegistry


def main() -> None:
    """Time each tagger on documents that are already in memory, after one to warm up."""
    texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    documents = [Document(source="bench", id=str(number), text=text) for number, text in enumerate(texts)]
    seconds = {}
    for name in sys.argv[2:]:
        tagger = TaggerRegistry.get(name)()
        tagger.predict(documents[0])
        begun = time.process_time()
        for document in documents:
            tagger.predict(document)
        seconds[name] = time.process_time() - begun
    print(json.dumps({"documents": len(texts), "seconds": seconds}))


if __name__ == "__main__":
    main()
