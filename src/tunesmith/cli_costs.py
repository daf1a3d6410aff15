"""The verb about costs: what a training takes before it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tunesmith.cli_data import HERE, Workspace

if TYPE_CHECKING:
    from tunesmith.costs.estimate import Estimate

Precision = Literal["float32", "mixed", "bfloat16"]


def estimate(
    recipe: Annotated[Path | None, typer.Argument(help="The recipe; without it, --model says what is trained.")] = None,
    model: Annotated[str | None, typer.Option(help="A known model, its folder, scratch:1M, or a size: 8B.")] = None,
    trainer: Annotated[str, typer.Option(help="sft, dpo, kto, pretrain, domain, reward or rlhf.")] = "sft",
    method: Annotated[str, typer.Option(help="full, lora, rslora, dora, qlora, ia3, prefix, prompt.")] = "full",
    tokens: Annotated[str | None, typer.Option(help="Tokens of the data: 10M.")] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Tokens of a row; 2048 without it.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Times that the data is gone through.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows a step.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Of low-rank updates.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Chosen by memory without it.")] = None,
    checkpointing: Annotated[bool | None, typer.Option(help="Compute activations again; at need without it.")] = None,
    gpu: Annotated[str | None, typer.Option(help="The kind, such as H100; this processor without it.")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1,
    shard: Annotated[bool, typer.Option("--shard", help="Weights and states in shards (FSDP2).")] = False,
    prices: Annotated[Path | None, typer.Option(help="Prices of your own; docs/costs.md has the form.")] = None,
    published: Annotated[bool, typer.Option("--published", help="Published runs beside their estimates.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    workspace: Workspace = HERE,
) -> None:
    """Estimate memory, hours and money of a recipe's trainings, or of one described by options, before any starts."""
    from rich.console import Console

    from tunesmith.core.errors import UserError
    from tunesmith.run.estimate import Devices, of_recipe, tokens_given, what_if
    from tunesmith.web.estimate import print_estimate, print_published

    if recipe is not None and model is not None:
        raise UserError("a recipe and --model are both given.", "The recipe says what its model is.")
    if recipe is None and model is None and not published:
        raise UserError(
            "there is nothing to estimate.", "Name a recipe, or a model: --model 8B --tokens 10M --gpu H100"
        )
    devices = Devices(gpu, gpus, shard, prices, None if tokens is None else tokens_given(tokens))
    found: dict[str, Estimate] = {}
    if recipe is not None:
        from tunesmith.recipe import load_recipe

        found = dict(of_recipe(load_recipe(recipe), workspace, devices))
    elif model is not None:
        found[model] = what_if(
            model,
            devices,
            workspace,
            trainer=trainer,
            method=method,
            length=length,
            epochs=epochs,
            batch=batch,
            rank=rank,
            precision=precision,
            checkpointing=checkpointing,
        )
    if as_json:
        typer.echo(json.dumps(_plain(found, published=published), indent=2))
        return
    console = Console()
    for name, one in found.items():
        print_estimate(name, one, console)
    if published:
        from tunesmith.costs.published import published_memory, published_runs

        print_published(published_runs(), published_memory(), console)


def _plain(found: Mapping[str, Estimate], *, published: bool) -> dict[str, object]:
    """Everything as plain data."""
    told: dict[str, object] = {name: one.as_json() for name, one in found.items()}
    if not published:
        return told
    from tunesmith.costs.published import published_memory, published_runs

    runs, memory = ([one.as_json() for one in each] for each in (published_runs(), published_memory()))
    return {**told, "published": {"runs": runs, "memory": memory}}
