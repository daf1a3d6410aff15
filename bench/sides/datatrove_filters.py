"""datatrove's four quality filters one by one, in its own environment: `python datatrove_filters.py FILE.jsonl`.

Prints the processor seconds of each over all documents, as one line of JSON.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

FILTERS = (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter)


def main() -> None:
    """Time each filter on documents that are already in memory, after one to warm up."""
    texts = [json.loads(line)["text"] for line in Path(sys.argv[1]).read_text("utf-8").split("\n") if line]
    seconds = {}
    for make in FILTERS:
        quality = make()
        quality.filter(Document(text=texts[0], id="warm"))
        documents = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
        begun = time.process_time()
        for document in documents:
            quality.filter(document)
        seconds[make.__name__] = time.process_time() - begun
    print(json.dumps({"documents": len(texts), "seconds": seconds}))


if __name__ == "__main__":
    main()
