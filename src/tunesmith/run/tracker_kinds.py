"""Four trackers behind one face. None is imported before it is asked for, nor reports on its own use."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

Numbers = Mapping[str, float]
Settings = Mapping[str, object]


class Tracker(Protocol):
    """Where the numbers of one training go."""

    def log(self, step: int, numbers: Numbers) -> None:
        """Take the numbers of a step; steps may come twice and in any order."""

    def close(self) -> None:
        """Write what is left."""


def _tensorboard(run_name: str, folder: Path, settings: Settings) -> Tracker:
    """Event files below runs/NAME/tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard" / run_name))
    writer.add_text("settings", "\n".join(f"- {name}: {value}" for name, value in settings.items()), 0)
    return _TensorBoard(writer)


@dataclass
class _TensorBoard:
    writer: Any

    def log(self, step: int, numbers: Numbers) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


def _mlflow(run_name: str, folder: Path, settings: Settings) -> Tracker:
    """A SQLite store, runs/NAME/mlflow.db, unless MLFLOW_TRACKING_URI names another."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow: Any = import_module("mlflow")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    client = mlflow.MlflowClient(uri or f"sqlite:///{folder / 'mlflow.db'}")
    known = client.get_experiment_by_name(folder.name)
    files = None if uri else (folder / "mlflow").as_uri()
    experiment = known.experiment_id if known else client.create_experiment(folder.name, artifact_location=files)
    begun = client.search_runs([experiment], f"attributes.run_name = '{run_name}'", max_results=1)
    run = (begun[0] if begun else client.create_run(experiment, run_name=run_name)).info.run_id
    client.update_run(run, status="RUNNING")
    client.log_batch(run, params=[mlflow.entities.Param(name, str(value)[:500]) for name, value in settings.items()])
    return _MLflow(client, run, mlflow.entities.Metric)


@dataclass
class _MLflow:
    client: Any
    run: str
    metric: Any  # mlflow's own class of a number

    def log(self, step: int, numbers: Numbers) -> None:
        now = int(time.time() * 1000)
        self.client.log_batch(self.run, [self.metric(name, value, now, step) for name, value in numbers.items()])

    def close(self) -> None:
        self.client.set_terminated(self.run)


def _wandb(run_name: str, folder: Path, settings: Settings) -> Tracker:
    """A folder runs/NAME/wandb, for `wandb sync`; on line only where WANDB_MODE or WANDB_API_KEY say so."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    wandb: Any = import_module("wandb")
    run = wandb.init(
        project=folder.name,
        id=run_name,
        name=run_name,
        resume="allow",
        dir=str(folder),
        config=dict(settings),
        mode=None if {"WANDB_MODE", "WANDB_API_KEY"} & os.environ.keys() else "offline",
        settings=wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True
        ),
    )
    run.define_metric("*", step_metric="step")
    return _Wandb(run)


@dataclass
class _Wandb:
    run: Any

    def log(self, step: int, numbers: Numbers) -> None:
        self.run.log({"step": step, **numbers})  # as a number of its own: its own count of steps only goes up

    def close(self) -> None:
        self.run.finish()


def _trackio(run_name: str, folder: Path, settings: Settings) -> Tracker:
    """A SQLite store below runs/NAME/trackio, unless TRACKIO_DIR, TRACKIO_SPACE_ID or TRACKIO_SERVER_URL say other."""
    os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # of the client it talks to servers with
    trackio: Any = import_module("trackio")
    with redirect_stdout(io.StringIO()):  # how to open its page, in seven lines
        run = trackio.init(
            project=folder.name,
            name=run_name,
            config=dict(settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
    return _Trackio(run, trackio.finish)


@dataclass
class _Trackio:
    run: Any
    finish: Callable[[], None]  # of trackio itself, which then knows that no run is open

    def log(self, step: int, numbers: Numbers) -> None:
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        with redirect_stdout(io.StringIO()):
            self.finish()


KINDS: Mapping[str, Callable[[str, Path, Settings], Tracker]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
