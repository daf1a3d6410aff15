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
_LEAD = re.compile(r"(?:this|the|a)\s+(?:\w+\s+)?(?:function|method|routine|helper|class|property)\s+(?=\w+s\b)", re.I)
_SECOND_SENTENCE = re.compile(r"[.!?]\s+[A-Z]")


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
    """Bring a text to house style by rule, or give None where the rule does not reach.

    >>> rewrite("This function returns the size"), rewrite("Loads a file.."), rewrite("The size.")
    ('Return the size.', 'Load a file.', None)
    """
    words = _LEAD.sub("", text.strip(), count=1).split()
    verb = _base_form(words[0].lower()) if words else None
    if verb is None:
        return None
    sentence = " ".join([verb.capitalize(), *words[1:]]).rstrip(" .!") + "."
    return sentence if style(sentence) else None


def house_style(record: Mapping[str, object]) -> str | None:
    """Give the preferred answer of a record whose target is off style; None where it is in style or out of reach."""
    target = str(record["target"])
    return None if style(target) else rewrite(target)


def house_normalised(target: str) -> str:
    """Bring a reference to house style where the rule reaches, so that a change of style costs no overlap.

    >>> house_normalised("Returns the size"), house_normalised("The size")
    ('Return the size.', 'The size')
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
