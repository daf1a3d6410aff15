"""A finished report with everything in it, as the quickstart would write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

Report = dict[str, Any]


@pytest.fixture
def report() -> Report:
    return json.loads(Path(__file__).with_name("quickstart_report.json").read_text("utf-8"))  # type: ignore[no-any-return]  # the file is a mapping
