"""Eval files: what is wrong is told with file, line, place and what to write; cases come from three places."""

import json
from pathlib import Path

import pytest

from adapters.datasets.reading import read_dataset
from adapters.evaluation import EvalFileInvalid, Task, gather, inlined, parse_spec, read_spec
from adapters.evaluation.gathering import case_of

HEAD = "name: test\npersona: plain\nsets:\n"
EXACT = "graders: [{kind: exact}]"


def _gathered(text: str, folder: Path) -> list[Task]:
    def nothing(name: str) -> tuple[Path, str]:
        raise AssertionError(name)

    return gather(inlined(parse_spec(text.encode(), "test.yaml"), folder), nothing)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "test.yaml:1:  the file is empty"),
        ("name: [", "test.yaml:1:"),
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
