"""Training for real: a two-layer model, the true trainer in its own process, and a version at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import PreTrainedTokenizerFast

from adapters import BaseModel, Registry, TrainingConfig, TrainingOrder, VersionState, run_training, train
from adapters.datasets.example import Example, Message
from adapters.template import template_of
from adapters.training.config import Precision
from adapters.training.encoding import IGNORED, TrainingDataUnfit, encode
from adapters.training.progress import Event, Finished, Note, Step, Validation
from core.errors import InvalidRequest
from tests.adapters.conftest import LIMITS
from tests.adapters.tiny import make_tokenizer

TOKENIZER = PreTrainedTokenizerFast(
    tokenizer_object=make_tokenizer(), bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
)
CONFIG = TrainingConfig(
    rank=4, alpha=8, epochs=2, learning_rate=1e-2, batch_size=2, max_length=200, precision=Precision.FP32
)


def example(*messages: Message) -> Example:
    return Example(7, messages)


def user(text: str) -> Message:
    return Message("user", text)


def answer(text: str, *, learnt: bool = True) -> Message:
    return Message("assistant", text, learnt=learnt)


def marked_template(base_dir: Path) -> str:
    training = template_of(base_dir).training
    assert training is not None
    return training


def test_what_the_data_gives_no_weight_is_read_but_not_learnt(base_dir: Path) -> None:
    talk = example(user("a"), answer("bad", learnt=False), user("b"), answer("good"))
    (encoded,) = encode([talk], TOKENIZER, marked_template(base_dir), 200)
    learnt = [token for token, label in zip(encoded.input_ids, encoded.labels, strict=True) if label != IGNORED]
    assert TOKENIZER.decode(learnt) == "good<|im_end|>"
    assert "bad" in TOKENIZER.decode(encoded.input_ids)


def test_an_example_whose_answer_would_be_cut_away_is_refused_with_its_line(base_dir: Path) -> None:
    with pytest.raises(TrainingDataUnfit, match="Line 7") as refusal:
        encode([example(user("a" * 300), answer("b"))], TOKENIZER, marked_template(base_dir), 200)
    assert refusal.value.code == "example_too_long"


def test_a_template_that_never_learns_to_stop_is_refused(base_dir: Path) -> None:
    marks = "{{- '<|im_end|>' -}}\n    {%- endgeneration -%}"
    template = marked_template(base_dir)
    assert marks in template
    spoilt = template.replace(marks, "{%- endgeneration -%}{{- '<|im_end|>' -}}")
    with pytest.raises(TrainingDataUnfit) as refusal:
        encode([example(user("a"), answer("b"))], TOKENIZER, spoilt, 200)
    assert refusal.value.code == "stop_token_not_learnt"


def write_data(path: Path, answers: str, count: int = 6) -> Path:
    system = {"role": "system", "content": "Say it."}
    rows = [
        {"messages": [system, {"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": answers}]}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def order(base_dir: Path, tmp_path: Path, *, valid: bool = False, answers: str = "yes") -> TrainingOrder:
    data = write_data(tmp_path / "train.jsonl", answers)
    held_out = write_data(tmp_path / "valid.jsonl", answers, 2) if valid else None
    return TrainingOrder(data, base_dir, tmp_path / "out", CONFIG, held_out)


def test_a_training_tells_its_steps_and_ends_as_a_version_in_the_state_trained(
    base_dir: Path, base: BaseModel, registry: Registry, tmp_path: Path
) -> None:
    events: list[Event] = []
    told = order(base_dir, tmp_path, valid=True)
    version = train(told, "coach", registry=registry, base=base, limits=LIMITS, on_event=events.append)

    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in steps} == {6}
    assert steps[-1].loss < steps[0].loss
    assert [event.step for event in events if isinstance(event, Validation)] == [3, 6]
    assert isinstance(events[-1], Finished)

    assert (version.engine_name, version.state, version.rank) == ("coach@1", VersionState.TRAINED, 4)
    assert version.warnings == ()
    assert (version.base_fingerprint, version.template_hash) == (base.fingerprint, base.template_hash)
    config = json.loads((version.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert not (told.out / "checkpoints").exists()
    with safe_open(version.path / "adapter_model.safetensors", "np") as weights:
        names = set(weights.keys())
        assert {str(weights.get_slice(name).get_dtype()) for name in names} == {"BF16"}
    assert len(names) == 2 * len(base.linear)
    record = json.loads((version.path / "run.json").read_text())
    assert record["data"]["examples"] == 6
    assert record["data"]["learnt_tokens"] == 6 * 4
    assert str(tmp_path) not in json.dumps(record)

    again: list[Event] = []
    run_training(told, again.append)
    assert [type(event) for event in again] == [Note, Finished]
    write_data(told.data, "no")
    with pytest.raises(InvalidRequest) as refusal:
        run_training(told, again.append)
    assert refusal.value.code == "out_holds_another_run"


def test_a_fault_in_the_data_reaches_the_caller_with_its_line(base_dir: Path, tmp_path: Path) -> None:
    told = order(base_dir, tmp_path)
    told.data.write_text(told.data.read_text() + "{}\n")
    with pytest.raises(InvalidRequest, match=r"train\.jsonl:7: messages:") as refusal:
        run_training(told, lambda _: None)
    assert refusal.value.code == "dataset_invalid"


def test_a_rank_over_the_engines_is_refused_before_any_work(
    base_dir: Path, base: BaseModel, registry: Registry, tmp_path: Path
) -> None:
    told = TrainingOrder(tmp_path / "absent.jsonl", base_dir, tmp_path / "out", TrainingConfig(rank=64))
    with pytest.raises(InvalidRequest) as refusal:
        train(told, "coach", registry=registry, base=base, limits=LIMITS, on_event=lambda _: None)
    assert refusal.value.code == "rank_too_high"


class Killed(Exception):
    """The parent gives the training up."""


@pytest.mark.timeout(300)
def test_a_training_that_is_broken_off_goes_on_bit_by_bit_as_if_it_had_not_been(
    base_dir: Path, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "train.jsonl", "yes", 27)
    config = TrainingConfig(rank=4, alpha=8, epochs=4, batch_size=2, precision=Precision.BF16)

    def until(step: int) -> Callable[[Event], None]:
        def watch(event: Event) -> None:
            if isinstance(event, Step) and event.step == step:
                raise Killed

        return watch

    whole = TrainingOrder(data, base_dir, tmp_path / "whole", config)
    broken = TrainingOrder(data, base_dir, tmp_path / "broken", config)
    run_training(whole, until(0))
    with pytest.raises(Killed):
        run_training(broken, until(53))
    events: list[Event] = []
    run_training(broken, events.append)
    assert next(event.step for event in events if isinstance(event, Step)) == 51
    weights = [told.out / "adapter_model.safetensors" for told in (whole, broken)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    curves = [json.loads((told.out / "run.json").read_text())["curves"] for told in (whole, broken)]
    assert curves[0] == curves[1]
    assert len(curves[0]["loss"]) == 56
