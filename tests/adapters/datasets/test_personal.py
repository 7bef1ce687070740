"""Personal data: found by pattern and check digit, offline, and blocked, masked or allowed by kind."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.datasets.example import JsonValue
from adapters.datasets.personal import Decision, Kind, Policy, Scanner
from adapters.datasets.personal.leaves import texts_of, with_texts
from core.errors import InvalidRequest
from server.settings import ROOT

TEXTS = {
    Kind.EMAIL: "Write to jo.doe@example.com today.",
    Kind.PHONE: "Call +49 30 901820 or come by.",
    Kind.CARD: "My card is 4111 1111 1111 1111, valid.",
    Kind.IBAN: "Pay to DE89 3704 0044 0532 0130 00 now.",
    Kind.IP: "The server is 192.168.10.4 at home.",
    Kind.SSN: "My number is 219-09-9999, private.",
}
HARMLESS = (
    "Order 00123842 came on 2024-05-06 at 10:30 for 29.90 euros.",
    "Version 1.2.3 of the manual, page 117.",
    "My card is 4111 1111 1111 1112.",
    "Your order@ was sent.",
)

_OFFLINE = """
import json, sys
reached, written = [], []

def watch(name, arguments):
    if name in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        reached.append(repr(arguments))
    if name == "open" and len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & 3:
        written.append(str(arguments[0]))

sys.addaudithook(watch)
sys.modules.update(dict.fromkeys(("torch", "transformers", "tensorflow", "cupy", "stanza")))
from adapters.datasets.personal.worker import recognisers, spans_of
found = spans_of("Write to jo@example.co.uk.", recognisers())
print(json.dumps({"found": found, "reached": reached, "written": written}))
"""


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    with Scanner() as running:
        yield running


@pytest.mark.parametrize("kind", TEXTS)
def test_each_kind_is_found_where_it_stands(scanner: Scanner, kind: Kind) -> None:
    (spans,) = scanner.find([TEXTS[kind]])
    assert [span.kind for span in spans] == [kind]
    start, end, _ = spans[0]
    assert any(character.isdigit() or character == "@" for character in TEXTS[kind][start:end])


def test_what_only_looks_alike_is_left_alone(scanner: Scanner) -> None:
    assert scanner.find(HARMLESS) == [[] for _ in HARMLESS]


def test_several_in_one_text_are_told_in_order_and_do_not_overlap(scanner: Scanner) -> None:
    text = " ".join(TEXTS.values())
    (spans,) = scanner.find([text])
    assert {span.kind for span in spans} == set(Kind)
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_only_the_kinds_that_were_asked_for_are_looked_for() -> None:
    with Scanner((Kind.EMAIL,)) as only_mail:
        (spans,) = only_mail.find([" ".join(TEXTS.values())])
    assert [span.kind for span in spans] == [Kind.EMAIL]


def test_the_recognisers_ask_no_network_write_nothing_and_load_no_torch() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", _OFFLINE], cwd=ROOT, capture_output=True, check=True)
    said = json.loads(done.stdout)
    assert said["found"] == [[9, 25, "email"]]
    assert said["reached"] == []
    assert [path for path in said["written"] if not path.startswith("/dev/")] == []


def test_a_policy_is_one_word_for_all_and_others_for_some() -> None:
    policy = Policy.parse(["mask", "email=allow", "card=block"])
    assert [policy.decide(kind) for kind in (Kind.PHONE, Kind.EMAIL, Kind.CARD)] == [
        Decision.MASK,
        Decision.ALLOW,
        Decision.BLOCK,
    ]
    assert Policy.parse([]).decide(Kind.IBAN) is Decision.BLOCK


@pytest.mark.parametrize("word", ["", "hide", "email", "email=hide", "name=mask"])
def test_a_policy_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        Policy.parse([word])
    assert refusal.value.code == "policy_invalid"


def test_texts_are_found_and_changed_in_one_order_and_words_for_programs_are_left() -> None:
    row = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        ],
        "tools": [{"type": "function"}],
        "label": "b",
    }
    assert texts_of(json.loads(json.dumps(row))) == [
        ("messages[0].content[0].text", "a"),
        ("label", "b"),
    ]
    changed = with_texts(json.loads(json.dumps(row)), str.upper)
    assert changed == {
        **row,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "A"}]},
            row["messages"][1],  # type: ignore[index]  # a literal of mixed types
        ],
        "label": "B",
    }


@pytest.mark.parametrize("text", ["Hi\n4155552671", "Hi\tjohn.doe@example.com", "4111111111111111"])
def test_what_stands_behind_an_escape_in_json_is_found(scanner: Scanner, text: str) -> None:
    for written in (json.dumps({"body": text}), json.dumps([{"to": [text]}]), json.dumps({"body": {text: 1}})):
        found = scanner.find([leaf for _, leaf in texts_of({"messages": [{"content": written}]})])
        assert sum(map(len, found)) == 1


def test_json_stays_json_when_a_part_of_it_is_changed_and_as_it_is_when_none_is() -> None:
    inner = json.dumps({"mail": "Hi\na", "é": [1.50, True, 4155552671], "name": json.dumps({"a": "a"})})
    row: dict[str, JsonValue] = {"content": inner, "other": '{ "b":"\\u00e9" }', "broken": '{"a": "a"'}
    changed = with_texts(row, lambda text: text.replace("a", "[X]").replace("4155552671", "[PHONE]"))
    assert isinstance(changed, dict)
    kept = json.loads(str(changed["content"]))
    assert kept["m[X]il"] == "Hi\n[X]"
    assert kept["é"] == [1.5, True, "[PHONE]"]
    assert json.loads(kept["n[X]me"]) == {"[X]": "[X]"}
    assert changed["other"] == row["other"]
    assert changed["broken"] == '{"[X]": "[X]"'


def test_two_keys_that_become_the_same_stay_two_and_no_path_names_a_key_that_may_be_somebody() -> None:
    row: JsonValue = {"content": '{"a@b": "x", "c@d": "y"}'}
    assert with_texts(row, lambda text: "[EMAIL]" if "@" in text else text) == {
        "content": '{"[EMAIL]": "x", "[EMAIL] 2": "y"}'
    }
    assert {path for path, _ in texts_of(row)} == {"content", "content.*"}


def test_json_within_json_within_json_without_end_is_looked_through_all_the_same() -> None:
    text = "a"
    for _ in range(12):
        text = "[" * 60 + json.dumps(text) + "]" * 60
    assert texts_of({"content": text})


def test_the_process_that_looks_is_told_of_when_it_ends(tmp_path: Path) -> None:
    running = Scanner()
    assert running.find([]) == []
    running.close()
