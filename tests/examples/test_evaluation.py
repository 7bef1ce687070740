"""The measurement "is an adapter worth it", against a small server that answers as a persona would."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sklearn.metrics import f1_score
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from examples.datasets.prompts import load_persona
from examples.evaluation.__main__ import gather_personas, main
from examples.evaluation.answers import AnswerFile, Asker
from examples.evaluation.measure import Measurement, measure
from examples.evaluation.report import markdown, verdict, write
from examples.evaluation.scores import score
from examples.evaluation.shots import shots
from examples.evaluation.statistics import compare, macro_f1, mcnemar
from examples.evaluation.tasks import COACH, SUPPORT, TASKS, Label, Task

PROMPTED = {prompt.persona for prompt in SUPPORT.baselines}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Gateway:
    """Answers chat requests by `reply` and says which revision it is."""

    reply: Callable[[str, str], str]
    revision: str = "r1"
    refuse_after: int | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)

    async def chat(self, request: Request) -> Response:
        body = json.loads(await request.body())
        persona, question = body["model"], body["messages"][-1]["content"]
        if self.refuse_after is not None and len(self.asked) >= self.refuse_after:
            return JSONResponse({"error": {"message": "The engine is away."}}, status_code=503)
        self.asked.append((persona, question))
        self.turns.append(len(body["messages"]))
        message = {"role": "assistant", "content": self.reply(persona, question)}
        block = {"persona": {"id": persona, "revision": self.revision}, "adapter": None}
        return JSONResponse({"choices": [{"index": 0, "message": message}], "repertory": block})

    def client(self) -> httpx.AsyncClient:
        app = Starlette(routes=[Route("/v1/chat/completions", self.chat, methods=["POST"])])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://repertory")


def knows_all_but(*wrong: str) -> Callable[[str, str], str]:
    right = {item.question: item.label for split in ("valid", "test") for item in SUPPORT.items(split)}

    def reply(persona: str, question: str) -> str:
        if persona in wrong:
            return "How can I help?"
        return f"Topic: {right[question].first} | Urgency: {right[question].second}\nThank you."

    return reply


async def measured(task: Task, gateway: Gateway, path: Path, limit: int | None = None) -> Measurement:
    file = AnswerFile(path)
    file.load()
    async with gateway.client() as client:
        return await measure(task, Asker(client, file).ask, limit=limit)


@pytest.mark.anyio
async def test_an_adapter_that_is_always_right_is_worth_it_against_prompts_that_never_are(
    tmp_path: Path,
) -> None:
    found = await measured(SUPPORT, Gateway(knows_all_but(*PROMPTED)), tmp_path / "a.jsonl")
    assert found.worth_it
    assert found.comparison.difference == 1
    assert found.adapted.both == found.adapted.first_f1 == found.adapted.well_formed == 1
    assert found.baseline.both == found.baseline.well_formed == 0
    assert "is worth it: +1.000" in verdict(found)


@pytest.mark.anyio
async def test_an_adapter_as_good_as_the_best_prompt_is_not_shown_to_be_worth_it(tmp_path: Path) -> None:
    wrong = [name for name in PROMPTED if name != "support-agent-few-shot"]
    found = await measured(SUPPORT, Gateway(knows_all_but(*wrong)), tmp_path / "a.jsonl")
    assert found.baseline.persona == "support-agent-few-shot"
    assert not found.worth_it
    assert found.comparison.p_value == 1


@pytest.mark.anyio
async def test_a_broken_run_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    broken = Gateway(knows_all_but(), refuse_after=7)
    with pytest.raises(httpx.HTTPStatusError, match="The engine is away"):
        await measured(SUPPORT, broken, path, limit=4)
    resumed = Gateway(knows_all_but())
    await measured(SUPPORT, resumed, path, limit=4)
    again = set(zip(broken.asked, broken.turns, strict=True)) & set(zip(resumed.asked, resumed.turns, strict=True))
    assert {name for (name, _), _ in again} == {"support-agent-instructions", "support-agent-rules"}
    assert len(again) == 2, "only the first question of a persona is asked again"


@pytest.mark.anyio
async def test_solved_examples_go_before_the_question_and_answers_without_them_are_not_taken_over(
    tmp_path: Path,
) -> None:
    gateway = Gateway(knows_all_but())
    questions = [item.question for item in SUPPORT.items("valid")[:3]]
    async with gateway.client() as client:
        asker = Asker(client, AnswerFile(tmp_path / "a.jsonl"))
        await asker.ask("support-agent-short", questions)
        await asker.ask("support-agent-short", questions, shots(SUPPORT, 7))
    assert gateway.turns == [1, 1, 1, 15, 15, 15]


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: str(task.persona))
def test_solved_examples_come_from_training_and_cover_every_kind_of_label(task: Task) -> None:
    most = max(prompt.shots for prompt in task.baselines)
    turns = shots(task, most)
    answers = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    kinds = {task.kind(item.label) for item in task.items("test")}
    assert len(answers) == most
    assert all(task.well_formed(answer) for answer in answers)
    assert {task.kind(task.label(answer)) for answer in answers} == kinds
    measured_on = {item.question for split in ("valid", "test") for item in task.items(split)}
    assert not measured_on & {turn["content"] for turn in turns}


def test_half_a_label_is_seen_in_the_scores() -> None:
    items = SUPPORT.items("test")[:2]
    answers = [f"Topic: {items[0].label.first}", "How can I help?"]
    scores = score(SUPPORT, "support-agent", items, answers)
    assert (scores.both, scores.parts, scores.first, scores.second) == (0, 0.25, 0.5, 0)


def test_more_solved_examples_than_training_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="training rows"):
        shots(SUPPORT, 10_000)


def test_a_lenient_reading_finds_the_words_of_a_label_anywhere_in_the_first_line() -> None:
    said = "This is about Delivery and it is of high importance.\nTopic: order"
    assert SUPPORT.label("This is about Delivery.") == Label("", "")
    assert SUPPORT.lenient_label(said) == Label("delivery", "high")
    assert SUPPORT.lenient_label("Topic: refund | Urgency: low") == Label("", "low")
    assert COACH.lenient_label("A risk. Owner: Maya") == Label("risk", "maya")


@pytest.mark.anyio
async def test_an_adapter_is_not_worth_it_where_a_prompt_is_as_right_in_other_words(tmp_path: Path) -> None:
    right = {item.question: item.label for split in ("valid", "test") for item in SUPPORT.items(split)}

    def reply(persona: str, question: str) -> str:
        if persona == SUPPORT.persona:
            return f"Topic: {right[question].first} | Urgency: {right[question].second}"
        return f"It is about {right[question].first}, of {right[question].second} priority."

    found = await measured(SUPPORT, Gateway(reply), tmp_path / "a.jsonl")
    assert found.comparison.low > 0
    assert found.lenient_comparison.difference == 0
    assert not found.worth_it


@pytest.mark.anyio
async def test_answers_of_another_revision_are_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    await measured(SUPPORT, Gateway(knows_all_but()), path, limit=3)
    changed = Gateway(knows_all_but(), revision="r2")
    await measured(SUPPORT, changed, path, limit=3)
    assert len(changed.asked) == len(SUPPORT.baselines) * 3 + 6


@pytest.mark.anyio
async def test_the_report_is_written_for_people_and_for_programs(tmp_path: Path) -> None:
    found = await measured(SUPPORT, Gateway(knows_all_but(*PROMPTED)), tmp_path / "a.jsonl")
    write(found, tmp_path / "out")
    report = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    assert report["worth_it"] is True
    assert len(report["valid"]) == len(SUPPORT.baselines)
    assert (tmp_path / "out/report.md").read_text("utf-8") == markdown(found)
    assert "| support-agent | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in markdown(found)


def test_a_label_is_found_in_answers_that_are_not_well_formed() -> None:
    assert SUPPORT.label("**Topic:** Returns, **Urgency**: HIGH") == Label("returns", "high")
    assert COACH.label("Type: Risk | Owner: Maya | It may slip") == Label("risk", "maya")
    assert COACH.label("I do not know.") == Label("", "")
    assert not SUPPORT.well_formed("**Topic:** Returns, **Urgency**: HIGH")
    assert SUPPORT.well_formed("Topic: returns | Urgency: high\nSorry.")
    assert COACH.well_formed("Risk | Owner: none | It may slip")


@pytest.mark.parametrize("persona", sorted(TASKS))
def test_every_reference_answer_is_well_formed_and_has_both_parts(persona: str) -> None:
    for split in ("valid", "test"):
        items = TASKS[persona].items(split)
        assert all(item.label.first and item.label.second for item in items)
        assert not any("# Passages" in item.question for item in items)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (1, 0), (10, 0), (7, 3), (3, 12), (25, 20)])
def test_mcnemar_agrees_with_statsmodels(ours: int, theirs: int) -> None:
    expected = reference_mcnemar([[5, ours], [theirs, 5]], exact=True).pvalue
    assert mcnemar(ours, theirs) == pytest.approx(expected)


def test_macro_f1_agrees_with_scikit_learn() -> None:
    expected = ["a", "a", "b", "c", "c", "c"]
    said = ["a", "b", "b", "c", "", "x"]
    reference = f1_score(expected, said, labels=["a", "b", "c"], average="macro", zero_division=0)
    assert macro_f1(expected, said) == pytest.approx(reference)


def test_the_interval_covers_zero_where_nothing_differs_and_leaves_it_where_much_does() -> None:
    even = compare([True, False] * 50, [False, True] * 50)
    clear = compare([True] * 80 + [False] * 20, [True] * 40 + [False] * 60)
    assert even.low < 0 < even.high
    assert 0.25 < clear.low < clear.difference == pytest.approx(0.4)
    assert clear.high < 0.55


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        compare([], [])


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: str(task.persona))
def test_prompt_only_personas_differ_from_the_adapted_one_in_the_prompt_or_leave_knowledge_out(
    task: Task, tmp_path: Path
) -> None:
    gather_personas(tmp_path)
    adapted = load_persona(tmp_path / f"{task.persona}.yaml").spec
    assert adapted.model.adapter == task.persona
    assert 3 <= len(task.baselines) <= 6
    for name in {prompt.persona for prompt in task.baselines}:
        spec = load_persona(tmp_path / f"{name}.yaml").spec
        assert spec.model.adapter is None
        assert not spec.actions
        if spec.knowledge.paths:
            # A prompt may do without passages, which only distract it; with them, it gets the same.
            assert (spec.knowledge, spec.retrieval) == (adapted.knowledge, adapted.retrieval)
        assert spec.model.sampling == adapted.model.sampling
        assert not any(item.question in spec.instructions for item in task.items("test"))


def test_the_first_prompt_is_the_adapted_persona_s_own(tmp_path: Path) -> None:
    gather_personas(tmp_path)
    for task in TASKS.values():
        own = load_persona(tmp_path / f"{task.persona}.yaml").spec.instructions
        assert load_persona(tmp_path / f"{task.persona}-instructions.yaml").spec.instructions == own


def test_a_server_that_is_not_there_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code = main(["measure", "support-agent", "--url", url, "--out", str(tmp_path)])
    assert code == 2
    assert url in capsys.readouterr().out.replace("\n", "")
