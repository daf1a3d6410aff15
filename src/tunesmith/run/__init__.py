"""A recipe, run: its steps in order, what is done skipped, what was killed gone on with; a report at the end."""

from tunesmith.run.context import Context, Show
from tunesmith.run.disk import disk_errors
from tunesmith.run.run import Outcome, run_recipe

__all__ = ["Context", "Outcome", "Show", "disk_errors", "run_recipe"]
