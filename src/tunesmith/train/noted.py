"""What a pre-flight notes while it goes through rows: counts, the ids of faulty rows, rows to look at, leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from tunesmith.core.hashing import hash128, unit_interval
from tunesmith.train.job import Row
from tunesmith.train.marks import Spans

EXAMPLES, IDS = 10, 5  # rows that people see, and ids that are told of a fault
LEAST_WORDS = 5  # of a line of a document that counts as a question: shorter ones are headings and interjections

Held = Mapping[str, frozenset[int]]  # part that is held out -> `question_key`s of its rows


def number_of(parts: Sequence[str]) -> int:
    """64 bits that stand for these texts."""
    return int.from_bytes(hash128(parts)[:8], "little")


def question_key(row: Row) -> int:
    """A number for what a row asks: its user turns, white space apart; equal questions have the same.

    A document is what it asks. So a question has the key of the document that says just that.
    """
    turns = cast("list[Mapping[str, str]]", row.get("messages") or [])
    asked = [" ".join((turn["content"] or "").split()) for turn in turns if turn["role"] == "user"]
    return number_of(asked if turns else [" ".join(str(row.get("text") or "").split())])


def keys_of(row: Row) -> Iterator[int]:
    """The key of a row, and of each line of a document: what it would give away."""
    yield question_key(row)
    if not row.get("messages"):
        for line in str(row.get("text") or "").splitlines():
            words = line.split()
            if len(words) >= LEAST_WORDS:
                yield number_of([" ".join(words)])


@dataclass
class Noted:
    """Counts of what was seen, by name; ids of some rows with a fault; rows drawn for people."""

    held: Held
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    faulty: dict[str, list[str]] = field(default_factory=dict)
    drawn: list[tuple[float, str, Spans]] = field(default_factory=list)
    found: dict[str, set[int]] = field(default_factory=dict)

    def fault(self, name: str, row: Row) -> None:
        """Count a row with a fault."""
        self.counts[name] += 1
        self._some(name, row)

    def look_for_leaks(self, row: Row) -> None:
        """Note what of the rows that are held out stands in a row that is learnt."""
        for key in keys_of(row) if self.held else ():
            for part, held in self.held.items():
                if key in held:
                    self.found.setdefault(part, set()).add(key)
                    self._some(f"leaked_{part}", row)

    def draw(self, row: Row, spans: Callable[[], Spans]) -> None:
        """Keep the rows whose ids draw lowest: the same for the same rows and seed, whatever their order."""
        self.counts["seen"] += 1
        identity = str(row.get("id", self.counts["seen"]))
        lot = unit_interval([str(self.seed), identity])
        if len(self.drawn) < EXAMPLES or lot < self.drawn[-1][0]:
            self.drawn.append((lot, identity, spans()))
            self.drawn.sort(key=lambda item: item[:2])
            del self.drawn[EXAMPLES:]

    @property
    def leaked(self) -> dict[str, int]:
        """How many of each part that is held out are learnt."""
        return {part: len(self.found.get(part, ())) for part in self.held}

    def examples(self, clean: Callable[[str], str]) -> list[dict[str, object]]:
        """The rows drawn, cleaned."""
        return [
            {"id": identity, "spans": [[clean(text), learnt] for text, learnt in spans]}
            for _, identity, spans in self.drawn
        ]

    def _some(self, name: str, row: Row) -> None:
        ids = self.faulty.setdefault(name, [])
        if len(ids) < IDS:
            ids.append(str(row.get("id", "")))
