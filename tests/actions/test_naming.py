"""Names of operations: legal, unique, stable."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from actions.naming import unique_names


def test_a_legal_id_is_kept() -> None:
    assert unique_names([("search_tickets", "GET /tickets")]) == ["search_tickets"]


def test_a_longer_id_is_cut_and_told_apart() -> None:
    first, second = unique_names([("a" * 80, "GET /a"), ("a" * 81, "GET /b")])

    assert first != second
    assert len(first) == len(second) == 64


def test_no_operation_takes_the_word_that_declines() -> None:
    assert unique_names([("none", "GET /none")])[0].startswith("none_")


def test_a_legal_id_keeps_its_name_beside_one_that_becomes_equal() -> None:
    names = unique_names([("get/thing", "GET /a"), ("get_thing", "GET /b")])

    assert names[1] == "get_thing"
    assert re.fullmatch(r"get_thing_[0-9a-f]{6}", names[0])


_ids = st.one_of(st.text(max_size=20), st.text(alphabet="ab_/-", max_size=4))


@given(st.lists(_ids, max_size=12, unique=True), _ids)
def test_an_added_operation_renames_no_other_unless_it_comes_to_the_same_name(ids: list[str], added: str) -> None:
    pairs = [(operation_id, f"GET /{number}") for number, operation_id in enumerate(ids)]
    before = unique_names(pairs)
    *after, new = unique_names([*pairs, (added, "GET /added")])

    renamed = [number for number, (old, now) in enumerate(zip(before, after, strict=True)) if old != now]

    assert all(added == ids[number] or not re.fullmatch("[a-zA-Z0-9_-]{1,64}", ids[number]) for number in renamed)
    assert {before[number].lower() for number in renamed} <= {unique_names([(added, "GET /added")])[0].lower()}
    assert new not in after


@given(st.lists(st.text(max_size=90), max_size=12), st.randoms(use_true_random=False))
def test_names_are_legal_unique_and_do_not_depend_on_the_order(ids: list[str], order: random.Random) -> None:
    pairs = [(operation_id, f"GET /{number}") for number, operation_id in enumerate(ids)]
    names = dict(zip(pairs, unique_names(pairs), strict=True))
    shuffled = order.sample(pairs, len(pairs))

    assert dict(zip(shuffled, unique_names(shuffled), strict=True)) == names
    assert len(set(names.values())) == len(pairs)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names.values())
