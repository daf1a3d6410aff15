"""SQL tables that outlive a run: stored answers, and how often a gate scored a test set. SQLite, or PostgreSQL by URL.

Needs SQLAlchemy (the extra `serve`). Time is passed in by the caller, in seconds since 1970 (UTC).
"""

from __future__ import annotations

from tunesmith.store.database import Store, open_store
from tunesmith.store.gate_scores import count_gate_score, times_scored
from tunesmith.store.requests import StoredRequest, find_request, save_request

__all__ = [
    "Store",
    "StoredRequest",
    "count_gate_score",
    "find_request",
    "open_store",
    "save_request",
    "times_scored",
]
