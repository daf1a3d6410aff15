"""The layer that keeps removed records out of a list, whatever run makes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tunesmith.core.artifact import Manifest, finish, is_done
from tunesmith.data.dataset import ROWS, VERDICTS, Dataset, open_dataset
from tunesmith.data.removed import REASON, hits_of, removed_ids, write_removal
from tunesmith.run.context import Plan, ref_of


def without_removed(workspace: Path, name: str, dataset: Dataset, removed: Mapping[str, str] | None = None) -> Dataset:
    """The dataset with a layer that drops the removed records it has; as it is, if it has none.

    Only those that it has are in the layer's KEY: lists that a removal does not concern stay as they are.
    """
    known = removed_ids(workspace) if removed is None else removed
    why = {row_id: known[row_id] for row_id in (hits_of(dataset, known) if known else [])}
    if not why:
        return dataset
    plan = Plan("dataset", name, "removed", 1, {"removed": why}, {ROWS: ref_of(dataset.folder)})
    folder = plan.folder(workspace)
    if not is_done(folder):
        folder.mkdir(parents=True, exist_ok=True)
        dropped = write_removal(dataset, why, folder)
        counts, facts = {"dropped": {REASON: dropped}}, {"columns": list(VERDICTS)}
        finish(
            folder,
            Manifest("dataset", name, plan.key, plan.step, 1, plan.parameters, plan.inputs, 0, counts, {}, facts),
        )
    return open_dataset(folder)
