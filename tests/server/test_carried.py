"""Which arguments carry text from elsewhere, and which are the user's own words or mere names."""

import pytest

from actions.json_value import JsonObject
from server.turn.carried import WINDOW, Carried

INSTRUCTIONS = "You keep the contacts of the harbour office.\nThe pass word is LANTERN-4711."
PASSAGE = "Mira Okonkwo will leave the company in the second week of March."
SAID = "Please look up who leaves in the second week of March at the harbour office"


@pytest.fixture
def carried() -> Carried:
    carried = Carried(INSTRUCTIONS, [SAID])
    carried.show(PASSAGE)
    carried.show('{"next": "cursor-a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4"}', "https://crm.example")
    return carried


@pytest.mark.parametrize(
    "arguments",
    [
        {"q": PASSAGE},
        {"q": f"x{PASSAGE[5:45]}x"},
        {"q": PASSAGE.upper()},
        {"q": PASSAGE.replace(" ", "\n  ")},
        {"list": PASSAGE.split()},
        {"deep": [{"er": {"q": PASSAGE}}]},
        {PASSAGE: 1},
        {"q": INSTRUCTIONS},
        {"q": "the word is lantern-4711"},
        {"q": "cursor-a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4"},
    ],
)
def test_text_of_instructions_passages_and_other_services_is_seen(carried: Carried, arguments: JsonObject) -> None:
    assert carried.found_in(arguments, "https://elsewhere.example")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"q": "Mira Okonkwo"},
        {"q": "leave the company"},
        {"n": 4711, "b": True, "x": None},
        {"q": SAID},
        {"q": "in the second week of March at the harbour office"},
        {"q": PASSAGE[: WINDOW - 1]},
    ],
)
def test_names_numbers_and_the_users_own_words_go_out(carried: Carried, arguments: JsonObject) -> None:
    assert not carried.found_in(arguments, "https://elsewhere.example")


def test_what_a_service_answered_may_go_back_to_it(carried: Carried) -> None:
    cursor: JsonObject = {"q": "cursor-a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4"}

    assert not carried.found_in(cursor, "https://crm.example")


def test_a_code_that_the_user_knows_is_no_secret() -> None:
    assert not Carried(INSTRUCTIONS, ["Is LANTERN-4711 right?"]).found_in(
        {"q": "lantern-4711"}, "https://x.example"
    )
