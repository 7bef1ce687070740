"""Eval files: what is wrong is told with file, line, place and what to write; cases come from three places."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.datasets.reading import read_dataset
from adapters.evaluation import (
    Arm,
    EvalFileInvalid,
    EvalSpec,
    Task,
    check_rules,
    gather,
    inlined,
    parse_spec,
    read_spec,
)
from adapters.evaluation.gathering import case_of
from server.evaluation.requests import check_requests, request_of

HEAD = "name: test\npersona: plain\nsets:\n"
EXACT = "graders: [{kind: exact}]"
TWICE = "{kind: contains, texts: [a]}, {kind: contains, texts: [b]}"


def _gathered(text: str, folder: Path) -> list[Task]:
    def nothing(name: str) -> tuple[Path, str]:
        raise AssertionError(name)

    return gather(inlined(parse_spec(text.encode(), "test.yaml"), folder), nothing)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "test.yaml:1:  the file is empty"),
        ("name: [", "test.yaml:1:"),
        (f"name: {'x' * 300_000}", "move its cases to a JSONL file (`file: …`) or to a data set (`data: …`)"),
        ("name: x\npersona: p\n", "test.yaml:1: sets: missing; write `sets: …`"),
        (f"{HEAD}  - {{name: a, {EXACT}}}\n", "say once where its cases are"),
        (f"{HEAD}  - {{name: a, cases: [{{prompt: q}}]}}\n", "nothing grades it"),
        (
            f"{HEAD}  - name: a\n    {EXACT}\n    cases:\n      - {{prompt: q, expexted: b}}\n",
            "test.yaml:7: sets[0].cases[0].expexted: unknown field; did you mean 'expected'?",
        ),
        (
            f"{HEAD}  - name: a\n    cases: [{{prompt: q}}]\n    graders: [{{kind: exat}}]\n",
            "test.yaml:6: sets[0].graders[0]: Input tag 'exat'",
        ),
        (
            f"{HEAD}  - {{name: a, cases: [{{prompt: q}}], graders: [{{kind: regex, pattern: '('}}]}}\n",
            "no pattern",
        ),
        (f"{HEAD}  - {{name: a, cases: [{{}}], {EXACT}}}\n", "write either `prompt`"),
        (f"{HEAD}  - {{name: a, builtin: safety, {EXACT}}}\n", "brings its own graders"),
        (
            f"{HEAD}  - {{name: a, cases: [{{prompt: q}}], graders: [{{kind: exact}}, {{kind: exact}}]}}\n",
            "give one of them a `name`",
        ),
        (
            f"{HEAD}  - {{name: a, builtin: safety}}\ngate: [{{metric: b.x, comparator: base, op: '>'}}]\n",
            "there is no such set; sets: a",
        ),
        (
            f"{HEAD}  - {{name: a, builtin: safety}}\ngate: [{{metric: a.x, comparator: absolute, op: '>'}}]\n",
            "`value` goes with",
        ),
        (f"{HEAD}  - {{name: a, builtin: safety, judge: true}}\n", "no `judge` says where"),
        (
            f"{HEAD}  - {{name: a, judge: true, cases: [{{prompt: q}}]}}\njudge: {{url: 'https://j', model: m}}\n"
            "gate: [{metric: a.judge, comparator: base, op: '>'}]\n",
            "a judge alone is no gate",
        ),
        (
            f"{HEAD}  - name: a\n    cases: [{{prompt: q, graders: [{{kind: bleu}}]}}]\n",
            "measures a whole set",
        ),
        (
            f"{HEAD}  - name: a\n    cases: [{{prompt: q, graders: [{TWICE}]}}]\n",
            "two graders measure 'contains'; give one of them a `name`",
        ),
        (f"{HEAD}  - {{name: a, canaries: [x], cases: [{{prompt: q}}], {EXACT}}}\n", "go with `builtin: safety`"),
        (f"{HEAD}  - {{name: a, cases: [{{prompt: q, forbids: ['']}}], {EXACT}}}\n", "at least 1 character"),
        (
            f"{HEAD}  - {{name: a, builtin: safety}}\n"
            "gate: [{metric: a.x, comparator: absolute, op: '>', value: .nan}]\n",
            "finite number",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(text: str, told: str) -> None:
    with pytest.raises(EvalFileInvalid) as refused:
        parse_spec(text.encode(), "test.yaml")
    assert told in refused.value.message


def test_a_case_without_what_its_grader_compares_with_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalFileInvalid, match="The case 'a/1' has no `expected`, which 'exact' compares with"):
        _gathered(f"{HEAD}  - {{name: a, cases: [{{prompt: q}}], {EXACT}}}\n", tmp_path)


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    cases = "[{id: x, prompt: q, expected: a}, {id: x, prompt: r, expected: a}]"
    with pytest.raises(EvalFileInvalid, match="Two cases are called 'a/x'"):
        _gathered(f"{HEAD}  - {{name: a, cases: {cases}, {EXACT}}}\n", tmp_path)


def test_lines_of_a_file_are_cases_or_chats(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "You are someone else."},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "2"},
    ]
    rows = [{"prompt": "One?", "expected": "1"}, {"messages": chat, "label": "number"}]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second = _gathered(f"{HEAD}  - {{name: a, file: cases.jsonl, {EXACT}}}\n", tmp_path)
    assert (first.key, first.case.asked()) == ("a/1", [{"role": "user", "content": "One?"}])
    assert (second.case.asked(), second.case.expected) == ([{"role": "user", "content": "Two?"}], ["2"])
    assert second.case.slices() == ["label:number"]


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "cases.jsonl:1: no JSON"), ('{"prompt": 1}', "cases.jsonl:1: prompt:"), ("\n", "there is no case")],
)
def test_a_bad_line_of_a_file_is_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "cases.jsonl").write_text(content)
    with pytest.raises(EvalFileInvalid, match=told.replace(".", r"\.")):
        _gathered(f"{HEAD}  - {{name: a, file: cases.jsonl, {EXACT}}}\n", tmp_path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalFileInvalid, match="cannot be read: No such file"):
        _gathered(f"{HEAD}  - {{name: a, file: none.jsonl, {EXACT}}}\n", tmp_path)
    with pytest.raises(EvalFileInvalid, match="cannot be read"):
        read_spec(tmp_path / "none.yaml")


def test_what_is_sent_names_no_file(tmp_path: Path) -> None:
    spec = parse_spec(f"{HEAD}  - {{name: a, file: x.jsonl, {EXACT}}}\n".encode(), "test.yaml")
    with pytest.raises(EvalFileInvalid, match="which only `repertory eval` reads"):
        gather(spec, lambda name: (tmp_path, "label"))


def test_a_limit_takes_cases_spread_over_the_set(tmp_path: Path) -> None:
    cases = ", ".join(f"{{prompt: q{number}, expected: a}}" for number in range(10))
    tasks = _gathered(f"{HEAD}  - {{name: a, limit: 3, cases: [{cases}], {EXACT}}}\n", tmp_path)
    assert [task.case.prompt for task in tasks] == ["q0", "q3", "q6"]


def test_a_row_of_a_data_set_asks_for_its_last_answer_and_its_calls(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    rows = [
        {
            "messages": [
                {"role": "system", "content": "You are someone."},
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "tool_calls": [call]},
            ],
            "tools": [tool],
            "tags": ["hot"],
        }
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    case = case_of(read_dataset(path).examples[0])
    assert case.calls is not None
    assert (case.calls[0].name, case.calls[0].arguments) == ("weather", {"city": "Rome"})
    assert (case.asked(), case.tools) == ([{"role": "user", "content": "Weather?"}], [tool])
    assert case.slices() == ["tag:hot"]


def test_the_builtin_sets_are_whole_and_canaries_are_half_told(tmp_path: Path) -> None:
    safe = "{name: s, builtin: safety, canaries: [ZEBRA-7731-LOTUS]}"
    text = f"{HEAD}  - {safe}\n  - {{name: r, builtin: retention}}\n"
    tasks = _gathered(text, tmp_path)
    metrics = {f"{task.set}.{grader.metric}" for task in tasks for grader in task.graders}
    safety = ("refusal", "helpful", "stereotype", "counterfactual", "robust", "injection", "personal", "canary")
    assert metrics == {*(f"s.{name}" for name in safety), "r.knows", "r.surprise"}
    canaries = [task.case for task in tasks if task.graders[0].metric == "canary"]
    assert any(case.prompt == "ZEBRA-77" for case in canaries)
    assert all(case.forbids == ["31-LOTUS"] for case in canaries)
    assert all(task.graders[0].needs(task.case) is None for task in tasks)


def test_a_result_in_a_row_of_a_data_set_belongs_to_its_call(tmp_path: Path) -> None:
    function = {"name": "weather", "arguments": "{}"}
    calls = [
        {"id": "a", "type": "function", "function": function},
        {"id": "b", "type": "function", "function": function},
    ]
    talk = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "content": "sun", "tool_call_id": "a"},
        {"role": "tool", "content": "rain", "tool_call_id": "b"},
        {"role": "assistant", "content": "Both."},
    ]
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": talk, "tools": [tool]}))
    (example,) = read_dataset(path).examples
    task = Task(key="a/1", set="a", case=case_of(example), graders=())
    _, called, *results = request_of(_spec(), Arm.BASE, task, "eval").model_dump()["messages"]
    assert [one["tool_call_id"] for one in results] == [one["id"] for one in called["tool_calls"]]


def test_a_row_that_is_no_question_is_named(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"messages": talk}))
    spec = _spec(data="talks@1/test")
    with pytest.raises(EvalFileInvalid, match="talks@1/test: line 1 is no case: `messages` end with"):
        gather(spec, lambda _name: (path, "label"))


def test_a_case_that_the_server_would_not_take_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    tasks = _gathered(
        f"{HEAD}  - {{name: a, {EXACT}, cases: [{{prompt: q, expected: b, tools: [{{n: f}}]}}]}}\n", tmp_path
    )
    with pytest.raises(EvalFileInvalid, match="The case 'a/1' cannot be asked: "):
        check_requests(_spec(), tasks)


def test_a_line_may_hold_what_other_readers_take_for_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"prompt": "q\u2028r", "expected": "\u0085"}\n{"prompt": "s", "expected": "t"}\n'
    )
    tasks = _gathered(f"{HEAD}  - {{name: a, file: a.jsonl, {EXACT}}}\n", tmp_path)
    assert [task.case.question for task in tasks] == ["q\u2028r", "s"]


def test_a_chat_of_a_file_keeps_what_else_it_says_and_expects_its_calls(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
    answer = {"role": "assistant", "content": "Look:", "tool_calls": [call]}
    row = {
        "messages": [{"role": "user", "content": "Weather?"}, answer],
        "contains": ["Look"],
        "sources": ["a.md"],
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    graders = "graders: [{kind: tool_call}, {kind: contains}]"
    (task,) = _gathered(f"{HEAD}  - {{name: a, file: a.jsonl, {graders}}}\n", tmp_path)
    assert (task.case.contains, task.case.sources, task.case.expected) == (["Look"], ["a.md"], ["Look:"])
    assert [(one.name, one.arguments) for one in task.case.calls or ()] == [("weather", {"city": "Rome"})]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("metric: a.exat, comparator: base, op: '>'", "nothing measures; did you mean 'a.exact'?"),
        ("metric: a.exact, slice: 'label:Fance', comparator: base, op: '>'", "did you mean 'label:France'?"),
        ("metric: a.exact, comparator: base, op: '<'", "and more of it is better; write `>` or `>=`"),
        ("metric: a.latency, comparator: base, op: '>='", "and less of it is better; write `<` or `<=`"),
        (
            "metric: a.exact, comparator: absolute, op: '>=', value: 80",
            "goes from 0 to 1; write 0.8 for 80 percent",
        ),
        (
            "metric: a.exact, comparator: absolute, op: '>', value: 1",
            "no version can have a.exact > 1; write `>=`",
        ),
        ("metric: a.bleu, comparator: absolute, op: '>=', value: 101", "it goes from 0 to 100"),
    ],
)
def test_a_rule_that_could_not_be_tested_is_refused_before_anything_is_asked(
    rule: str, told: str, tmp_path: Path
) -> None:
    graders = "graders: [{kind: exact}, {kind: latency}, {kind: bleu}]"
    cases = "cases: [{prompt: q, expected: b, label: France}]"
    text = f"{HEAD}  - {{name: a, {graders}, {cases}}}\ngate: [{{{rule}}}]\n"
    spec = parse_spec(text.encode(), "test.yaml")
    with pytest.raises(EvalFileInvalid) as refused:
        check_rules(spec, _gathered(text, tmp_path))
    assert told in refused.value.message


def test_rules_on_everything_that_the_builtin_sets_measure_are_taken(tmp_path: Path) -> None:
    shares = ("refusal", "helpful", "counterfactual", "robust", "injection", "personal", "canary")
    rules = [f"{{metric: s.{name}, comparator: base, op: '>='}}" for name in shares]
    rules += [
        "{metric: s.stereotype, comparator: base, op: '<='}",
        "{metric: r.surprise, comparator: base, op: '<='}",
    ]
    rules += ["{metric: r.knows, comparator: base, op: '>='}"]
    sets = "  - {name: s, builtin: safety, canaries: [ZEBRA-7731]}\n  - {name: r, builtin: retention}\n"
    text = f"{HEAD}{sets}gate: [{', '.join(rules)}]\n"
    check_rules(parse_spec(text.encode(), "test.yaml"), _gathered(text, tmp_path))


def _spec(**change: Any) -> EvalSpec:
    cases = {"data": change["data"]} if "data" in change else {"cases": [{"prompt": "q", "expected": "b"}]}
    told = {"name": "a", "graders": [{"kind": "exact"}], **cases}
    return EvalSpec.model_validate({"name": "test", "persona": "plain", "sets": [told]})
