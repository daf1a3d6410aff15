"""One operation on a record, as a recipe wrote it: what the engine hands to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tunesmith.core.record import Where
from tunesmith.core.registry import Named


@dataclass(frozen=True)
class Op:
    """A signal, an edit or a maker with its parameters; `label` names its column or result."""

    kind: Literal["signal", "edit", "make"]
    function: Named
    label: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    on: Where | None = None  # None: text for documents, whole for conversations and pairs
