"""Consistency: one system prompt, one manner of answering, and like answers to like questions."""

import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

from adapters.datasets.example import Example
from adapters.datasets.quality.accuracy import answer_of
from adapters.datasets.quality.score import Evidence, Measure, Score, share
from adapters.datasets.similarity import THRESHOLD, jaccard, near_duplicates, normal_form, shingles_of

_LIST = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_FAR = 4


def consistency(examples: Sequence[Example], system: str | None) -> Score:
    """Measure how alike the rows are; `system` is what the persona is served with, if that is known."""
    measures = (_one_system(examples, system), _one_form(examples), _lengths(examples), _like_to_like(examples))
    return Score("consistency", measures)


def _one_system(examples: Sequence[Example], system: str | None) -> Measure:
    found = Counter(example.system for example in examples)
    if not found:
        return Measure("system_prompt", None, "there are no rows")
    wanted, rows = found.most_common()[0]
    told = f"{rows} of {len(examples)} rows have the most frequent of {len(found)} system prompts"
    if system is not None:
        wanted, rows = system, found[system]
        told = f"{rows} of {len(examples)} rows have the system prompt that the persona is served with"
    against = [Evidence(one.line, "has another system prompt") for one in examples if one.system != wanted]
    return share("system_prompt", rows, len(examples), told, against)


def _one_form(examples: Sequence[Example]) -> Measure:
    forms = [_form(example) for example in examples]
    found = Counter(forms).most_common()
    if not found:
        return Measure("form", None, "there are no rows")
    usual, rows = found[0]
    told = ", ".join(f"{count} {form}" for form, count in found)
    against = [
        Evidence(one.line, f"is {form}") for one, form in zip(examples, forms, strict=True) if form != usual
    ]
    return share("form", rows, len(examples), told, against)


def _form(example: Example) -> str:
    text = example.answer.content.strip()
    if example.answer.tool_calls:
        return "a call"
    if text.startswith(("{", "[{", "```json")):
        return "JSON"
    if "```" in text:
        return "code"
    if len(_LIST.findall(text)) > 1:
        return "a list"
    return "one word" if len(text.split()) == 1 else "prose"


def _lengths(examples: Sequence[Example]) -> Measure:
    lengths = {one.line: len(one.answer.content) for one in examples if one.answer.content}
    if not lengths:
        return Measure("length", None, "no answer has a text")
    middle = median(lengths.values())
    far = {line: size for line, size in lengths.items() if not middle / _FAR <= size <= middle * _FAR}
    told = (
        f"half of the answers have at most {middle:.0f} characters; {len(far)} are {_FAR} times longer or shorter"
    )
    against = [Evidence(line, f"has {size} characters") for line, size in far.items()]
    return share("length", len(lengths) - len(far), len(lengths), told, against)


def _like_to_like(examples: Sequence[Example]) -> Measure:
    """Nearly the same question must have nearly the same answer; the very same is a matter of accuracy."""
    prompts = [normal_form(example.prompt) for example in examples]
    exact = [normal_form(example.prompt, fold_digits=False) for example in examples]
    near, against = 0, dict[int, Evidence]()
    for first, second, _ in near_duplicates(prompts):
        if exact[first] == exact[second]:
            continue
        near += 1
        answers = [shingles_of(answer_of(examples[place])) for place in (first, second)]
        if jaccard(*answers) < THRESHOLD:
            early, late = sorted((examples[first].line, examples[second].line))
            against[late] = Evidence(late, f"asks nearly what line {early} asks, and answers otherwise")
    told = f"{near} pairs of questions are nearly the same; {len(against)} rows answer otherwise"
    return share("like_to_like", len(examples) - len(against), len(examples), told, against.values())
