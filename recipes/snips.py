"""The user code of snips.yaml: a sentence's call in JSON, two metrics of calls, and the linear baseline to beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tunesmith.models.rows import chat_of, prompt_of, target_of

Slot = tuple[str, str]  # name and value
Row = Mapping[str, object]


def call_in_json(record: Row) -> dict[str, object]:
    """Turn a sentence with its tags (BIO, one a word) and its intent into a question and a call in JSON.

    >>> tags = ["O", "B-artist", "I-artist", "O", "B-year"]
    >>> record = {"text": "play miles davis from 1959 ", "meta": {"bio": tags, "intent": "PlayMusic"}}
    >>> call_in_json(record)["target"]
    '{"intent":"PlayMusic","slots":{"artist":["miles davis"],"year":["1959"]}}'
    """
    meta = cast("Mapping[str, object]", record["meta"])
    words = str(record["text"]).split()
    call = written(str(meta["intent"]), slots_of(words, cast("Sequence[str]", meta["bio"])))
    asked, answer = {"role": "user", "content": " ".join(words)}, {"role": "assistant", "content": call}
    return {"messages": [asked, answer], "target": call, "text": None}


def slots_of(words: Sequence[str], tags: Sequence[str]) -> list[Slot]:
    """Read the slots that tags mark, in the order of the sentence; an I- without its B- before it begins one.

    >>> slots_of(["to", "new", "york", "paris"], ["O", "B-city", "I-city", "B-city"])
    [('city', 'new york'), ('city', 'paris')]
    """
    slots: list[Slot] = []
    before = "O"
    for word, tag in zip(words, tags, strict=True):
        mark, _, name = tag.partition("-")
        if mark == "I" and before.partition("-")[2] == name:
            slots[-1] = (name, f"{slots[-1][1]} {word}")
        elif mark != "O":
            slots.append((name, word))
        before = tag
    return slots


def written(intent: str, slots: Sequence[Slot]) -> str:
    """Write a call as compact JSON: each slot's name with the list of its values, in order."""
    values: dict[str, list[str]] = {}
    for name, value in slots:
        values.setdefault(name, []).append(value)
    return json.dumps({"intent": intent, "slots": values}, ensure_ascii=False, separators=(",", ":"))


def intent(answer: str, target: str) -> float:
    """Whether the call has the right intent, whatever its slots are.

    >>> intent('{"intent":"RateBook"}', '{"intent":"RateBook","slots":{"rating":["3"]}}'), intent("", '{"intent":"x"}')
    (1.0, 0.0)
    """
    call = _read(answer)
    return float(call is not None and call.get("intent") == json.loads(target)["intent"])


def same_call(answer: str, target: str) -> float:
    """Whether the whole call is right: the intent and all slots, in whatever order slots and their values are written.

    >>> target = '{"intent":"a","slots":{"b":["1"],"c":["2","3"]}}'
    >>> same_call('{"slots": {"c": ["3", "2"], "b": ["1"]}, "intent": "a"}', target), same_call("", target)
    (1.0, 0.0)
    """
    call = _read(answer)
    return float(call is not None and _sorted(call) == _sorted(json.loads(target)))


def _read(text: str) -> dict[str, object] | None:
    try:
        call = json.loads(text)
    except json.JSONDecodeError:
        return None
    return call if isinstance(call, dict) else None


def _sorted(call: Mapping[str, object]) -> dict[str, object]:
    slots = call.get("slots")
    if not isinstance(slots, dict):
        return dict(call)
    return {**call, "slots": {k: sorted(map(json.dumps, v)) if isinstance(v, list) else v for k, v in slots.items()}}


def linear(rows: Sequence[Row]) -> Callable[[Sequence[str]], list[str]]:
    """Fit two linear models, of intents and of each word's tag, which write the same calls without a neural network."""
    sentences = [prompt_of(chat_of(row)).split() for row in rows]
    calls = [json.loads(target_of(row)) for row in rows]
    tags = [json.loads(str(row["meta"]))["bio"] for row in rows]
    name_intents = _intents([" ".join(words) for words in sentences], [call["intent"] for call in calls])
    tag = _tagger(sentences, tags, [call["intent"] for call in calls])

    def answer_all(prompts: Sequence[str]) -> list[str]:
        asked, intents = [prompt.split() for prompt in prompts], name_intents(prompts)
        found = zip(intents, asked, tag(asked, intents), strict=True)
        return [written(intent, slots_of(words, tags)) for intent, words, tags in found]

    return answer_all


def _intents(texts: Sequence[str], labels: Sequence[str]) -> Callable[[Sequence[str]], list[str]]:
    """Fit a linear support vector machine on tf-idf of words and characters, as in intents.py."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = make_pipeline(make_union(words, characters), LinearSVC(random_state=0))
    model.fit(list(texts), list(labels))
    return lambda prompts: [str(label) for label in model.predict(list(prompts))]


def _tagger(
    sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], intents: Sequence[str]
) -> Callable[[Sequence[Sequence[str]], Sequence[str]], list[list[str]]]:
    """Fit a linear tagger of words that sees the tags before each: left to right, the best tag at once (greedy)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    rows = zip(sentences, tags, intents, strict=True)
    seen = [_seen(words, at, of[:at], intent) for words, of, intent in rows for at in range(len(words))]
    model = make_pipeline(CountVectorizer(analyzer=list, binary=True), LinearSVC(C=0.1, random_state=0))
    model.fit(seen, [tag for of in tags for tag in of])

    def tag_all(asked: Sequence[Sequence[str]], named: Sequence[str]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in asked]
        for at in range(max(map(len, asked), default=0)):
            open_ = [row for row, words in enumerate(asked) if at < len(words)]
            best = model.predict([_seen(asked[row], at, found[row], named[row]) for row in open_])
            for row, tag in zip(open_, best, strict=True):
                found[row].append(str(tag))
        return found

    return tag_all


def _seen(words: Sequence[str], at: int, before: Sequence[str], intent: str) -> list[str]:
    """What the tagger sees of a word: itself, its ends and shape, its neighbours, the two tags before, the intent."""
    near = {step: words[at + step] if 0 <= at + step < len(words) else "-" for step in range(-3, 4)}
    word, last = near[0], before[-1] if before else "-"
    ends = [f"starts {word[:n]}" for n in (1, 2, 3)] + [f"ends {word[-n:]}" for n in (1, 2, 3, 4)]
    around = [f"{step} {near[step]}" for step in near]
    pairs = [f"{a}{b} {near[a]} {near[b]}" for a, b in ((-2, -1), (-1, 0), (0, 1), (1, 2))]
    two_before = before[-2] if len(before) > 1 else "-"
    tags = [
        f"tag {last}",
        f"tags {two_before} {last}",
        f"tag {last} {word}",
        f"tag {last} {near[-1]}",
        f"tag {last} {near[1]}",
    ]
    rest = [
        f"intent {intent}",
        f"intent {intent} {word}",
        f"intent {intent} {last}",
        f"digits {word.isdigit()}",
        "always",
    ]
    return [*around, *pairs, *ends, *tags, *rest]
