"""What a long step writes into a log."""

import io

import pytest

from bootstrap.progress import Step


def test_a_step_says_what_it_does_and_how_long_it_took() -> None:
    out = io.StringIO()
    with Step("Baking", out) as step:
        step.at("1/2 loaves")  # too soon after the start for a log
    assert out.getvalue() == "Baking …\nBaking: done in 0 s\n"


def test_a_failed_step_does_not_say_done() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="burnt"), Step("Baking", out):
        raise ValueError("burnt")
    assert "done" not in out.getvalue()
    assert out.getvalue().endswith("Baking: stopped after 0 s\n")
