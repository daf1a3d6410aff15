"""The user code of quickstart.yaml: what house style is, how text is brought to it, and the heuristic to beat.

House style is a first docstring line that is imperative, begins with a capital and is one sentence with its period.
The verbs are a fixed list (verbs.txt: base forms, from general English usage in code), so that neither the style metric
nor the rewriting learns anything from the rows it judges. The same list writes the chosen answers and scores them:
a high score says that the model learnt the rule, not that a person would call every text good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# After these a verb's form is a noun or a subject: "List of names", "Test is skipped".
_NOT_AFTER_A_VERB = frozenset({"are", "can", "has", "is", "must", "of", "should", "was", "were", "will"})
_SECOND_SENTENCE = re.compile(r"[.!?]\s+[A-Z]")
_KIND = r"(?:function|method|routine|helper|utility|class|property|decorator|wrapper|hook)"
_LEAD = re.compile(rf"(?:(?:this|the|an?)\s+)?(?:\w+\s+){{0,2}}{_KIND}\s+(?:(?:that|which|used to|to)\s+)?", re.I)
_THING = re.compile(r"(?:the|an?|list of|number of|true if|true when|whether)\s", re.I)
_CLAUSE = re.compile(r"\b(?:are|can|do|does|has|have|is|may|must|should|was|were|will)\b", re.I)


def style(answer: str) -> float:
    """Score 1.0 for one capitalised imperative sentence with its period, else 0.0.

    >>> style("Load the config."), style("Loads the config."), style("Load the config"), style("List of names.")
    (1.0, 0.0, 0.0, 0.0)
    """
    words = answer.split()
    if len(words) < 2 or not answer[0].isupper():
        return 0.0
    is_imperative = words[0].lower() in verbs() and words[1].lower() not in _NOT_AFTER_A_VERB
    is_one_sentence = answer.endswith(".") and not answer.endswith("..") and not _SECOND_SENTENCE.search(answer)
    return float(is_imperative and is_one_sentence)


def rewrite(text: str) -> str | None:
    """Bring a text to house style by rule, or give None where no rule reaches.

    >>> rewrite("This function returns the size"), rewrite("Helper to load a file.."), rewrite("The size of a file.")
    ('Return the size.', 'Load a file.', 'Return the size of a file.')
    """
    plain = text.strip()
    candidates = (_imperative(plain), _imperative(_LEAD.sub("", plain, count=1)), _return_the_thing(plain))
    return next((sentence for sentence in candidates if sentence), None)


def _imperative(text: str) -> str | None:
    first, _, rest = text.partition(" ")
    verb = _base_form(first.lower())
    return _sentence(verb, rest) if verb else None


def _return_the_thing(text: str) -> str | None:
    """Make a sentence of a noun phrase or a condition, unless it may be a clause: "The file is closed"."""
    first, _, rest = text.partition(" ")
    condition = first.lower() in ("true", "whether")
    if not _THING.match(text) or (_CLAUSE.search(text) and not condition):
        return None
    article = "the " if first.lower() in ("list", "number") else ""
    return _sentence("return", f"{article}{first if first == 'True' else first.lower()} {rest}")


def _sentence(verb: str, rest: str) -> str | None:
    sentence = f"{verb.capitalize()} {rest}".rstrip(" .!") + "."
    return sentence if style(sentence) else None


def house_style(record: Mapping[str, object]) -> str | None:
    """Give the preferred answer of a record whose target is off style; None where it is in style or out of reach."""
    target = str(record["target"])
    return None if style(target) else rewrite(target)


def house_normalised(target: str) -> str:
    """Bring a reference to house style where the rule reaches, so that a change of style costs no overlap.

    >>> house_normalised("Returns the size"), house_normalised("Given a size")
    ('Return the size.', 'Given a size')
    """
    return target if style(target) else rewrite(target) or target


def name_splitting(prompt: str) -> str:
    """Answer with the words of the function's name: no learning, and hard to beat.

    >>> name_splitting("Loader.load_config(path) -> Config"), name_splitting("HTTPServer.shutdown()")
    ('Load the config.', 'Shutdown the http server.')
    """
    path = prompt.partition("(")[0].split(".")
    name = _words(path[-1])
    owner = _words(path[-2]) if len(path) > 1 else []
    if len(name) == 1 and owner:
        name = [*name, "the", *owner]
    elif name and name[0] in verbs():
        name = [name[0], "the", *name[1:]]
    return (" ".join(name) or "function").capitalize() + "."


def _words(identifier: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier.replace("_", " "))


def _base_form(word: str) -> str | None:
    return word if word in verbs() else _third_persons().get(word)


@cache
def verbs() -> frozenset[str]:
    """Read the base forms of the verbs a docstring may begin with."""
    return frozenset(Path(__file__).with_name("verbs.txt").read_text(encoding="utf-8").split())


@cache
def _third_persons() -> dict[str, str]:
    return {_third_person(verb): verb for verb in verbs()}


def _third_person(verb: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"
