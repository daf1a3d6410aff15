"""`tunesmith serve`: the model that passed, until it is stopped."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tunesmith.core.errors import UserError
from tunesmith.recipe import Serve
from tunesmith.run.reports import read_report
from tunesmith.run.serving import app_of, find_serving

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve_run(
    workspace: Path, run: str | None, *, model: str | None, host: str | None, port: int | None, store: bool | None
) -> None:
    """Serve a run's model until interrupted; the recipe's serve: section says what the command line leaves open."""
    _check_extra()
    from tunesmith.serve.server import serve
    from tunesmith.store import open_store

    report = read_report(workspace, run)
    asked = _section(workspace, str(report["run"]))
    serving = find_serving(workspace, report, model or asked.model)
    console = Console()
    with ExitStack() as stack:
        kept = (
            stack.enter_context(open_store(workspace / "state.db"))
            if store or (store is None and asked.store)
            else None
        )

        def make_app() -> FastAPI:
            return app_of(serving, kept)

        def ready(url: str) -> None:
            console.print(f"{serving.name} answers at {url}", highlight=False, soft_wrap=True)

        serve(make_app, host=host or asked.host, port=asked.port if port is None else port, ready=ready)


def _section(workspace: Path, run: str) -> Serve:
    """The serve: section of the run's recipe as it stood, with what --set changed."""
    kept = json.loads((workspace / "runs" / run / "run.json").read_text("utf-8"))
    return Serve(**(kept.get("serve") or {}))


def _check_extra() -> None:
    try:
        import fastapi  # noqa: F401 - is it there?
        import uvicorn  # noqa: F401 - is it there?
    except ImportError:
        raise UserError("serving needs fastapi and uvicorn.", "pip install 'tunesmith[serve]'") from None
