"""The report of a run as one self-contained HTML file: no script, no network, nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tunesmith.web.page import Section, page
from tunesmith.web.sections.checklist import checklist
from tunesmith.web.sections.domain import domain
from tunesmith.web.sections.examples import examples, samples
from tunesmith.web.sections.funnel import funnel
from tunesmith.web.sections.origins import ledger, origins, served
from tunesmith.web.sections.overlap import overlap
from tunesmith.web.sections.overview import overview
from tunesmith.web.sections.passes import passes
from tunesmith.web.sections.preflight import preflight
from tunesmith.web.sections.rewarded import rewarded
from tunesmith.web.sections.rewards import rewards
from tunesmith.web.sections.scores import scores
from tunesmith.web.sections.signals import signals
from tunesmith.web.sections.training import training
from tunesmith.web.sections.verdict import verdict

SECTIONS: tuple[Callable[[Mapping[str, object]], Section | None], ...] = (
    funnel, passes, verdict, scores, overlap, examples, served, training, domain, rewards, rewarded, preflight, signals,
    samples,
    origins, checklist, ledger,
)  # fmt: skip


def report_html(report: Mapping[str, object]) -> str:
    """The whole page for a report; a part the run never came to is left out. The same report gives the same bytes."""
    found = [section for section in (build(report) for build in SECTIONS) if section is not None]
    return page(title=f"{report.get('run', '')} · tunesmith", head=overview(report), sections=found)
