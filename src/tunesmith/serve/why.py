"""Where a served answer comes from: checkpoint, run, data, and the training rows it most resembles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from tunesmith.core.errors import UserError
from tunesmith.serve.nearest import Near, Row, nearest
from tunesmith.store import Store, StoredRequest, find_request

LONGEST_QUOTE = 120


@dataclass(frozen=True)
class DataFacts:
    """A version of a data set that a checkpoint learnt from."""

    name: str
    key: str
    rows: int  # rows it learnt from
    licenses: Mapping[str, int] = field(default_factory=dict)  # SPDX -> rows


@dataclass(frozen=True)
class CheckpointFacts:
    """What the manifests of a checkpoint and of its data say."""

    name: str
    key: str
    run: str
    step: str  # such as "dpo"
    start: str  # what training began from: a base model, another checkpoint, or a random start
    data: tuple[DataFacts, ...]
    adapter: str | None = None  # such as "lora", where there is one


@dataclass(frozen=True)
class Story:
    """Everything that is known about one answer."""

    request: StoredRequest
    checkpoint: CheckpointFacts | None  # None: the workspace no longer has it
    nearest: tuple[Near, ...]  # similar, not causes


def why_request(
    store: Store,
    id: str,
    *,
    describe_checkpoint: Callable[[str], CheckpointFacts | None],
    training_rows: Callable[[str], Iterable[Row]],
    n: int = 3,
) -> Story:
    """The story of a stored answer; both functions take the KEY of its checkpoint.

    Raises UserError if no answer with this id was stored.
    """
    request = find_request(store, id)
    if request is None:
        raise UserError(
            f"no stored answer has the id {id!r}.", "Answers are stored only while serving with storing switched on."
        )
    return Story(
        request,
        describe_checkpoint(request.checkpoint),
        tuple(nearest(training_rows(request.checkpoint), question_of(request), n=n)),
    )


def question_of(request: StoredRequest) -> str:
    """What the user said last."""
    said = [turn["content"] for turn in request.messages if turn["role"] == "user"]
    return said[-1] if said else request.messages[-1]["content"]


def story_json(story: Story) -> dict[str, object]:
    """The story for `tunesmith why --json`."""
    return {**asdict(story), "nearest_are": "similar by words (tf-idf cosine), not causes"}


def tell(story: Story) -> str:
    """The story in sentences."""
    return "\n".join([*_of_answer(story.request), *_of_checkpoint(story), *_of_nearest(story)])


def _of_answer(request: StoredRequest) -> list[str]:
    day = datetime.fromtimestamp(request.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    ended = " It was cut off at its longest length." if request.finish == "length" else ""
    return [
        f"Answer {request.id}, given on {day} in {request.seconds:.2f} s.",
        f"  asked:    {_quote(question_of(request))}",
        f"  answered: {_quote(request.answer)}",
        f"It took {request.prompt_tokens} prompt tokens and {request.answer_tokens} answer tokens.{ended}",
    ]


def _of_checkpoint(story: Story) -> list[str]:
    facts = story.checkpoint
    if facts is None:
        key = story.request.checkpoint
        return [f"It was given by checkpoint {key} of run {story.request.run!r}, which this workspace no longer has."]
    adapter = f", as a {facts.adapter} adapter" if facts.adapter else ""
    return [
        f"It was given by checkpoint {facts.name}/{facts.key} of run {facts.run!r}: "
        f"trained by {facts.step} from {facts.start}{adapter}.",
        *(f"  learnt from {data.name}/{data.key}: {data.rows:,} rows{_licences(data)}." for data in facts.data),
    ]


def _licences(data: DataFacts) -> str:
    most = sorted(data.licenses.items(), key=lambda pair: (-pair[1], pair[0]))
    return f" ({', '.join(f'{name} {rows:,}' for name, rows in most)})" if most else ""


def _of_nearest(story: Story) -> list[str]:
    if not story.nearest:
        return ["No training row shares a word with the question."]
    return [
        "The training rows most similar to the question (similar by words; this does not show what caused the answer):",
        *(
            f"  {near.similarity:.2f}  {near.id}  {_quote(near.prompt)} -> {_quote(near.target)}"
            for near in story.nearest
        ),
    ]


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= LONGEST_QUOTE else f'"{line[: LONGEST_QUOTE - 1]}…"'
