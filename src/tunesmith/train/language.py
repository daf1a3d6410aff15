"""Language modelling on streams of documents: the part that pre-training and domain tuning share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.models.likelihood import pieces_of, token_nats
from tunesmith.train.documents import Documents
from tunesmith.train.loop import Numbers

if TYPE_CHECKING:
    from tunesmith.train.start import Start

MEASURED = 65_536  # tokens of each held-out set that a measurement takes


@dataclass(frozen=True)
class HeldOut:
    """Held-out documents, always the same pieces of them, and what a model makes of them.

    Each token is predicted once, from at most `length` tokens before it.
    """

    documents: Documents
    length: int
    most: int = MEASURED

    def nats(self, start: Start) -> list[tuple[int, int, np.ndarray]]:
        """Document, place of the first token in it, and nats of each token, of every piece that is measured."""
        chosen = self.pieces()
        rows = [self._row(*piece) for piece in chosen]
        start.model.eval()
        with start.device.autocast():
            found = token_nats(start.model, rows, pad=self.documents.end)
        start.model.train()
        return [(document, begin, nats) for (document, begin, _), nats in zip(chosen, found, strict=True)]

    def numbers(self, start: Start) -> Numbers:
        """Mean nats a token and bits a byte, of all and of each domain where there are several."""
        return self.numbers_of(self.nats(start))

    def numbers_of(self, nats: Sequence[tuple[int, int, np.ndarray]]) -> Numbers:
        """The same of nats that were measured."""
        found = self._of(nats, None)
        if len(self.documents.names) > 1:
            for place, name in enumerate(self.documents.names):
                found |= {f"{key}_{name}": number for key, number in self._of(nats, place).items()}
        return found

    def _of(self, nats: Sequence[tuple[int, int, np.ndarray]], domain: int | None) -> Numbers:
        domains = self.documents.domains
        some = [values for document, _, values in nats if domain is None or domains[document] == domain]
        count = sum(map(len, some))
        if not count:
            return {}
        loss = sum(float(values.sum(dtype=np.float64)) for values in some) / count
        return {"loss": loss, "bits_per_byte": loss * self.bits_per_byte(domain)}

    def bits_per_byte(self, domain: int | None = None) -> float:
        """How many bits a byte one nat a token is, of all documents or of those of a domain."""
        of = slice(None) if domain is None else self.documents.domains == domain
        tokens_a_byte = float(self.documents.lengths[of].sum()) / max(1, int(self.documents.bytes[of].sum()))
        return tokens_a_byte / math.log(2)

    def pieces(self) -> list[tuple[int, int, int]]:
        """The pieces: all, or so many of them, evenly over all documents, that they have at most `most` tokens."""
        every = [
            (document, begin, end)
            for document, length in enumerate(self.documents.lengths.tolist())
            for begin, end in pieces_of(length, self.length)
        ]
        if self.documents.tokens <= self.most:
            return every
        count = max(1, int(len(every) * self.most / self.documents.tokens))
        return [every[place] for place in np.linspace(0, len(every) - 1, count).round().astype(int).tolist()]

    def rows(self) -> list[np.ndarray]:
        """The ids of each piece behind the token before it."""
        return [self._row(*piece) for piece in self.pieces()]

    def _row(self, document: int, begin: int, end: int) -> np.ndarray:
        """The ids of a piece behind the token before it: the end of another document, at its beginning."""
        ids = self.documents.text_ids(document)
        before = self.documents.end if begin == 0 else int(ids[begin - 1])
        return np.concatenate([[before], ids[begin:end]]).astype(np.int64)


def measure(main: HeldOut, others: Mapping[str, HeldOut], start: Start) -> Callable[[], Numbers]:
    """What the loop measures: the main held-out set decides, the others stand beside it under their names."""

    def numbers() -> Numbers:
        found = {f"validation_{name}": number for name, number in main.numbers(start).items()}
        for called, held in others.items():
            found |= {f"validation_{called}_{name}": number for name, number in held.numbers(start).items()}
        return found

    return numbers
