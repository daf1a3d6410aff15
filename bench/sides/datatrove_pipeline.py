"""datatrove's whole way, in its own environment: `python datatrove_pipeline.py FOLDER OUT TASKS drop|mark [MODEL]`.

Order and parameters are those of its published FineWeb pipeline (examples/fineweb.py): with `drop` a document that one
filter drops is not seen by the next; with `mark` every filter measures every document. MODEL puts its language filter
in front, which labels and drops nothing. Prints what each step counted, as one line of JSON.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

FOLDER, OUT, TASKS, MODE, *MODEL = sys.argv[1:]
os.environ |= {"DATATROVE_COLORIZE_LOGS": "0", "HF_ASSETS_CACHE": f"{OUT}/assets", "HF_HUB_OFFLINE": "1"}

from datatrove.data import Document  # noqa: E402 - its settings are read when it is imported
from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter  # noqa: E402
from datatrove.pipeline.formatters import PIIFormatter  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import ParquetWriter  # noqa: E402


@dataclass
class Marking:
    """A step that asks a filter about every document and passes all of them on."""

    quality: BaseFilter

    def __call__(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Ask, and pass on."""
        for document in data:
            self.quality.filter(document)
            yield document


def main() -> None:
    """Run the pipeline on as many tasks as cores were given."""
    language = LanguageFilter(label_only=True)
    if MODEL:
        language.model.MODEL_URL = MODEL[0]  # a file here instead of the address it would be fetched from
    filters = [
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    pipeline = [
        JsonlReader(FOLDER, glob_pattern="*.jsonl.gz"),
        *([language] if MODEL else []),
        *(filters if MODE == "drop" else map(Marking, filters)),
        PIIFormatter(),
        ParquetWriter(f"{OUT}/parquet"),
    ]
    executor = LocalPipelineExecutor(pipeline, tasks=int(TASKS), logging_dir=f"{OUT}/logs")
    stats = executor.run()
    steps = [(step.name, {key: stat.total for key, stat in step.stats.items()}) for step in stats.stats]
    print(json.dumps({"documents": steps[0][1]["documents"], "steps": steps}))


if __name__ == "__main__":
    main()
