"""The demo personas and what they know."""

from pathlib import Path

import pytest

from examples.datasets.prompts import ROOT, load_persona
from retrieval.splitting import split, title_of

DEMO = ("compliance-guide", "scrum-coach", "support-agent")


def documents(persona: str) -> list[Path]:
    return sorted((ROOT / "knowledge" / persona).glob("*.md"))


def test_the_demo_personas_are_three() -> None:
    assert sorted(path.stem for path in (ROOT / "personas").glob("*.yaml")) == list(DEMO)


@pytest.mark.parametrize("persona", DEMO)
def test_a_demo_persona_loads_and_knows_its_own_folder(persona: str) -> None:
    loaded = load_persona(ROOT / "personas" / f"{persona}.yaml")
    assert loaded.id == persona
    assert loaded.spec.knowledge.paths == [f"knowledge/{persona}"]
    assert len(loaded.spec.conversation_starters) >= 3


def test_two_demo_personas_have_an_adapter_and_the_compliance_guide_has_none() -> None:
    adapters = {name: load_persona(ROOT / "personas" / f"{name}.yaml").spec.model.adapter for name in DEMO}
    assert adapters == {
        "compliance-guide": None,
        "scrum-coach": "scrum-coach",
        "support-agent": "support-agent",
    }


def test_the_scrum_coach_searches_at_once_and_files_after_approval() -> None:
    actions = load_persona(ROOT / "personas/scrum-coach.yaml").actions
    assert {operation.name: operation.consequential for operation in actions.operations} == {
        "search_tickets": False,
        "create_ticket": True,
        "get_ticket": False,
    }


def test_every_answer_of_the_compliance_guide_ends_by_pointing_at_legal_review() -> None:
    spec = load_persona(ROOT / "personas/compliance-guide.yaml").spec
    assert spec.closing == "Please have legal review this (legal-review@pellworth.example)."
    assert all("legal-review@pellworth.example" in path.read_text("utf-8") for path in documents(spec.id))


@pytest.mark.parametrize("persona", DEMO)
def test_each_demo_persona_has_five_documents_of_several_pages(persona: str) -> None:
    lengths = {path.name: len(path.read_text("utf-8").split()) for path in documents(persona)}
    assert len(lengths) >= 5
    assert {name: words for name, words in lengths.items() if words < 700} == {}


@pytest.mark.parametrize("persona", DEMO)
def test_every_document_has_a_title_and_sections_that_fit_a_passage(persona: str) -> None:
    for path in documents(persona):
        text = path.read_text("utf-8")
        pieces = split(text, markdown=True)
        headings = [piece.heading for piece in pieces if piece.heading]
        assert title_of(text, "", markdown=True)
        assert len(headings) >= 10
        assert len(set(headings)) == len(headings), "a section was cut in two"
