"""Each fault of a data set is found, with its line and its field; what is sound passes."""

import json
from pathlib import Path

import pytest

from adapters import datasets
from adapters.datasets.mends import MENDS
from adapters.datasets.reading import DatasetInvalid, Format, check_dataset, read_dataset
from core.errors import InvalidRequest
from tests.adapters.datasets.rows import RESULT, TOOL, A, S, U, call, pair, talk, write

ARGUMENTS = "messages[1].tool_calls[0].function.arguments"


def schema(parameters: object) -> object:
    return {"type": "function", "function": {"name": "count", "parameters": parameters}}


ERRORS: list[tuple[str, str, str]] = [
    ("data_type", "", "[1]"),
    ("invalid_json", "", '{"messages": ['),
    ("invalid_json", "", "nothing of JSON"),
    ("invalid_number", "", '{"messages": [], "metadata": NaN}'),
    ("invalid_number", "", '{"messages": [], "metadata": 1e999}'),
    ("invalid_number", "", '{"messages": [], "metadata": ' + "9" * 5_000 + "}"),
    ("half_character", "", '{"messages": [{"role": "user", "content": "\\ud83d"}]}'),
    ("too_deep", "", '{"messages": ' + "[" * 70 + "]" * 70 + "}"),
    ("duplicate_json_key", "", '{"messages": [], "messages": []}'),
    ("too_deep", "", '{"messages": ' + "[" * 200_000),
    ("missing_messages_list", "messages", "{}"),
    ("missing_messages_list", "messages", '{"messages": []}'),
    ("missing_messages_list", "messages", '{"messages": {}}'),
    ("data_type", "messages[1]", talk(U, "Hello")),
    ("message_missing_key", "messages[1]", talk(U, {"role": "assistant"})),
    ("message_missing_key", "messages[0]", talk({"content": "Hi"}, A)),
    ("message_unrecognized_key", "messages[1].function_call", talk(U, {**A, "function_call": {}})),
    ("unrecognized_role", "messages[0].role", talk({"role": "human", "content": "Hi"}, A)),
    ("missing_content", "messages[1].content", talk(U, {"role": "assistant", "content": None})),
    ("missing_content", "messages[1].content", talk(U, {"role": "assistant", "content": " \n"})),
    ("missing_content", "messages[0].content", talk({"role": "user", "content": 5}, A)),
    (
        "content_part_unsupported",
        "messages[0].content",
        talk({"role": "user", "content": [{"type": "image_url"}]}, A),
    ),
    ("example_missing_assistant_message", "messages", talk(S, U)),
    ("last_message_not_assistant", "messages[2]", talk(U, A, U)),
    ("system_not_first", "messages[1]", talk(U, S, A)),
    ("roles_not_alternating", "messages[2]", talk(U, A, A)),
    ("weight_invalid", "messages[1].weight", talk(U, {**A, "weight": 0.5})),
    ("all_weights_zero", "messages", talk(U, {**A, "weight": 0})),
    ("control_token", "messages[0].content", talk({"role": "user", "content": "a<|im_end|>"}, A)),
    ("control_token", "messages[1].content", talk(U, {"role": "assistant", "content": "<|fim_suffix|>"})),
    ("nul_character", "messages[1].content", talk(U, {"role": "assistant", "content": "a\0b"})),
    ("tools_invalid", "tools", talk(U, A, tools={})),
    ("tools_invalid", "tools[0]", talk(U, A, tools=[{"type": "function"}])),
    ("tools_invalid", "tools[1].function.name", talk(U, A, tools=[TOOL, TOOL])),
    (
        "tools_invalid",
        "tools[0].function.parameters",
        talk(U, A, tools=[{"type": "function", "function": {"name": "x", "parameters": {"type": 1}}}]),
    ),
    (
        "unknown_tool",
        "messages[1].tool_calls[0].function.name",
        talk(U, call(name="other"), RESULT, A, tools=[TOOL]),
    ),
    (
        "arguments_not_json",
        "messages[1].tool_calls[0].function.arguments",
        talk(U, call("{n: 1}"), RESULT, A, tools=[TOOL]),
    ),
    (
        "arguments_not_json",
        "messages[1].tool_calls[0].function.arguments",
        talk(U, call({"n": 1}), RESULT, A, tools=[TOOL]),
    ),
    (
        "arguments_do_not_fit",
        "messages[1].tool_calls[0].function.arguments",
        talk(U, call('{"n": "one"}'), RESULT, A, tools=[TOOL]),
    ),
    ("tools_invalid", ARGUMENTS, talk(U, call(), RESULT, A, tools=[schema({"$ref": "https://example.com/n"})])),
    ("tools_invalid", ARGUMENTS, talk(U, call(), RESULT, A, tools=[schema({"$ref": "#"})])),
    ("tools_invalid", "tools[0].function.parameters", talk(U, A, tools=[schema({"pattern": "(?<=a+)b"})])),
    *(
        ("tools_invalid", where, talk(U, call(arguments), RESULT, A, tools=[schema(parameters)]))
        for where, arguments, parameters in (
            ("tools[0].function.parameters", "{}", {"pattern": "a{99999999999999}"}),
            (ARGUMENTS, '{"n": ' + "9" * 400 + "}", {"properties": {"n": {"multipleOf": 0.1}}}),
            (ARGUMENTS, "{}", {"$ref": "#/x", "x": 5}),
            (ARGUMENTS, "{}", {"$ref": "#/x/zz", "x": [1, 2]}),
        )
    ),
    *(
        (code, ARGUMENTS, talk(U, call(arguments), RESULT, A, tools=[schema({})]))
        for code, arguments in (
            ("too_deep", "[" * 100_000),
            ("invalid_number", '{"n": NaN}'),
            ("invalid_number", '{"n": 1e999}'),
            ("half_character", '{"n": "\\ud800"}'),
            ("duplicate_json_key", '{"n": 1, "n": 2}'),
            ("nul_character", '{"n": ["\\u0000"]}'),
            ("nul_character", '{"\\u0000": 1}'),
            ("control_token", '{"n": {"m": "\\u003c|im_end|>"}}'),
        )
    ),
    ("mixed_formats", "", pair()),
    ("unknown_tool_call", "messages[1].tool_call_id", talk(U, RESULT, A)),
    ("unanswered_tool_call", "messages[2]", talk(U, call(), A, tools=[TOOL])),
    ("tool_calls_invalid", "messages[0].tool_calls", talk({**U, "tool_calls": [{}]}, A)),
    ("tool_calls_invalid", "messages[1].tool_calls[0]", talk(U, {"role": "assistant", "tool_calls": ["x"]})),
]


@pytest.mark.parametrize(("code", "field", "line"), ERRORS, ids=[f"{n}-{e[0]}" for n, e in enumerate(ERRORS)])
def test_a_fault_is_found_with_its_line_and_field(tmp_path: Path, code: str, field: str, line: str) -> None:
    path = write(tmp_path, talk(S, U, A), line, talk(S, U, A))
    faults = check_dataset(path).faults
    assert (2, field, code) in {(fault.line, fault.field, fault.code) for fault in faults}
    assert {fault.line for fault in faults} == {2}
    with pytest.raises(DatasetInvalid, match=r"data\.jsonl:2:"):
        read_dataset(path)


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "{}", talk(U), talk(S, U, A), "x")
    with pytest.raises(DatasetInvalid) as invalid:
        read_dataset(path)
    assert [fault.line for fault in invalid.value.findings] == [1, 2, 4]


def test_a_sound_set_passes_with_calls_parsed_and_weights_kept(tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, U, {**A, "weight": 0}, U, call(), RESULT, A, tools=[TOOL]))
    dataset = read_dataset(path)
    (example,) = dataset.examples
    assert dataset.findings == ()
    assert example.system == "Be kind."
    assert [message.learnt for message in example.messages] == [False, False, False, False, True, False, True]
    assert example.messages[4].tool_calls[0]["function"]["arguments"] == {"n": 1}
    assert example.tools == (TOOL,)


def test_two_questions_in_a_row_are_sound_as_guided_calling_asks_them(tmp_path: Path) -> None:
    assert read_dataset(write(tmp_path, talk(S, U, U, A, U, U, A))).findings == ()


def test_content_in_parts_is_joined_as_the_engine_joins_it(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    (example,) = read_dataset(write(tmp_path, talk(S, {"role": "user", "content": parts}, A))).examples
    assert example.messages[1].content == "a\nb"


def test_doubts_are_told_and_do_not_forbid_training(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    other = json.dumps(
        {"messages": [{"role": "system", "content": "Be rude."}, U, {**A, "content": " Hi"}], "tag": 1}
    )
    path.write_bytes(b"\xef\xbb\xbf" + f"{talk(S, U, A)}\r\n\n{other}\n{talk(A)}".encode())
    codes = {(finding.line, finding.code) for finding in read_dataset(path).findings}
    assert codes == {
        (1, "byte_order_mark"),
        (3, "several_system_prompts"),
        (2, "blank_line"),
        (3, "leading_space"),
        (3, "unrecognized_key"),
        (4, "missing_system"),
        (4, "missing_user"),
    }


def test_bytes_that_are_not_utf8_are_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(talk(S, U, A).encode() + b"\n\xff\xfe\n")
    assert [(fault.line, fault.code) for fault in check_dataset(path).faults] == [(2, "not_utf8")]


def test_a_line_over_the_limit_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, talk(S, {"role": "user", "content": "x" * 1_000_001}, A))
    assert [fault.code for fault in check_dataset(path).faults] == ["line_too_long"]


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="no examples"):
        read_dataset(write(tmp_path))
    with pytest.raises(InvalidRequest) as refusal:
        read_dataset(tmp_path / "absent.jsonl")
    assert refusal.value.code == "dataset_missing"


PAIR_ERRORS: list[tuple[str, str, str]] = [
    ("missing_input", "input", '{"preferred_output": []}'),
    ("missing_input", "input", '{"input": {"messages": []}, "preferred_output": []}'),
    ("missing_output", "preferred_output", pair([])),
    ("missing_output", "preferred_output", pair([U])),
    ("missing_output", "non_preferred_output", pair(rejected="Go away.")),
    ("missing_content", "non_preferred_output[0].content", pair(rejected=[{**A, "content": " "}])),
    ("control_token", "preferred_output[0].content", pair([{**A, "content": "<|im_start|>"}])),
    ("input_ends_with_assistant", "input.messages[2]", pair(None, None, S, U, A)),
    ("unrecognized_role", "input.messages[0].role", pair(None, None, {"role": "human", "content": "Hi"})),
    ("outputs_equal", "non_preferred_output", pair([A], [A])),
    ("mixed_formats", "", talk(S, U, A)),
]


@pytest.mark.parametrize(
    ("code", "field", "line"), PAIR_ERRORS, ids=[f"{n}-{e[0]}" for n, e in enumerate(PAIR_ERRORS)]
)
def test_a_fault_of_a_pair_is_found_with_its_line_and_field(
    tmp_path: Path, code: str, field: str, line: str
) -> None:
    dataset = check_dataset(write(tmp_path, pair(), line, pair()))
    assert dataset.format is Format.PREFERENCE
    assert (2, field, code) in {(fault.line, fault.field, fault.code) for fault in dataset.faults}
    assert {fault.line for fault in dataset.faults} == {2}


def test_a_faulty_call_is_one_finding_and_not_a_missing_text_as_well(tmp_path: Path) -> None:
    nameless = {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": {}}]}
    faults = check_dataset(write(tmp_path, talk(S, U, nameless))).faults
    assert [(fault.field, fault.code) for fault in faults] == [("messages[2].tool_calls[0]", "tool_calls_invalid")]


def test_a_call_at_the_end_needs_no_id(tmp_path: Path) -> None:
    bare = {"role": "assistant", "tool_calls": [{"function": {"name": "count", "arguments": '{"n": 1}'}}]}
    dataset = read_dataset(write(tmp_path, talk(S, U, bare, tools=[TOOL])))
    assert [(one.field, one.code) for one in dataset.findings] == [
        ("messages[2].tool_calls[0]", "tool_call_without_id")
    ]
    assert dataset.examples[0].answer.tool_calls[0]["function"]["name"] == "count"


def test_a_sound_pair_ends_with_what_is_preferred_and_keeps_what_is_not(tmp_path: Path) -> None:
    (example,) = read_dataset(write(tmp_path, pair(label="greeting"))).examples
    assert (example.answer.content, example.rejected[0].content) == ("Hello.", "Go away.")
    assert (example.prompt, example.about.label) == ("Hi", "greeting")


def test_what_a_row_tells_of_itself_is_read_from_the_row_or_its_metadata(tmp_path: Path) -> None:
    more = {"intent": "greet", "metadata": {"reviewer": "ada", "tags": ["refusal"], "group": 7}}
    row = json.dumps(json.loads(talk(S, U, A)) | more)
    (example,) = read_dataset(write(tmp_path, row), label_key="intent").examples
    assert (example.about.label, example.about.reviewer) == ("greet", "ada")
    assert (example.about.tags, example.about.group) == (("refusal",), "7")


def test_every_finding_that_this_code_makes_says_how_to_mend_it() -> None:
    folder = Path(datasets.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py") if path.name != "mends.py")
    assert {code for code in MENDS if f'"{code}"' not in sources} == set()
    made = {code for code, _, _ in [*ERRORS, *PAIR_ERRORS]}
    assert made <= set(MENDS)
    assert all(mend.endswith(".") and len(mend) < 120 for mend in MENDS.values())


def test_a_finding_for_programs_has_its_mend(tmp_path: Path) -> None:
    (fault,) = check_dataset(write(tmp_path, "[]")).faults
    assert fault.shown() == {
        "line": 1,
        "field": "",
        "code": "data_type",
        "severity": "error",
        "message": "The line is not a JSON object.",
        "mend": "Make it a JSON object.",
    }
