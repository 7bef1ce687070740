"""Training for real: a two-layer model, the true trainer in processes of its own, and a version at the end."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import PreTrainedTokenizerFast

from adapters import BaseModel, Registry, TrainingConfig, TrainingOrder, VersionState, run_training
from adapters.datasets.example import Example, Message, ToolCall
from adapters.template import template_of
from adapters.training.choosing import Measured, best, is_over, validates_at
from adapters.training.config import Method, Precision
from adapters.training.defaults import Wish, usual_epochs, usual_rate
from adapters.training.encoding import IGNORED, TrainingDataUnfit, encode
from adapters.training.progress import Event, Finished, Note, Step, Validation
from core.errors import InvalidRequest
from tests.adapters.conftest import LIMITS
from tests.adapters.tiny import make_tokenizer
from tests.adapters.training_runs import Runs, step

TOKENIZER = PreTrainedTokenizerFast(
    tokenizer_object=make_tokenizer(), bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
)
CONFIG = TrainingConfig(rank=4, alpha=8, epochs=3, learning_rate=1e-2, batch_size=2, precision=Precision.BF16)
pytestmark = pytest.mark.timeout(600)


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


def test_calls_that_the_template_leaves_out_are_refused_with_their_line(base_dir: Path) -> None:
    call = ToolCall(id="call_0", type="function", function={"name": "count", "arguments": {"n": 1}})
    calling = example(user("a"), Message("assistant", "", (call,), learnt=True))
    (encoded,) = encode([calling], TOKENIZER, marked_template(base_dir), 2000)
    learnt = [token for token, label in zip(encoded.input_ids, encoded.labels, strict=True) if label != IGNORED]
    assert '"name": "count", "arguments": {"n": 1}' in TOKENIZER.decode(learnt)
    spoilt = marked_template(base_dir).replace("message['tool_calls']", "message['nothing']")
    with pytest.raises(TrainingDataUnfit, match="Line 7") as refusal:
        encode([calling], TOKENIZER, spoilt, 2000)
    assert refusal.value.code == "template_without_tools"


def test_an_example_of_which_nothing_would_be_learnt_is_refused_with_its_line(base_dir: Path) -> None:
    with pytest.raises(TrainingDataUnfit, match="Line 7") as refusal:
        encode([example(user("a"), answer("b", learnt=False))], TOKENIZER, marked_template(base_dir), 200)
    assert refusal.value.code == "nothing_learnt"


def measured(*values: tuple[float, float]) -> list[Measured]:
    return [Measured(10 * (place + 1), exact, exact, loss) for place, (exact, loss) in enumerate(values)]


def test_the_best_weights_are_those_of_the_best_answers_not_of_the_lowest_loss() -> None:
    found = best(measured((0.1, 0.5), (0.8, 0.9), (0.7, 0.4)))
    assert found is not None
    assert found.step == 20
    assert best([]) is None


def test_a_training_ends_once_neither_answers_nor_loss_get_better() -> None:
    falling = measured((0.5, 0.9), (0.5, 0.8), (0.5, 0.7), (0.5, 0.6))
    assert not is_over(falling, 2)
    risen = [*falling, *(Measured(step, 0.4, 0.4, 0.9) for step in (50, 60))]
    assert not is_over(risen[:-1], 2)
    assert is_over(risen, 2)
    assert not is_over(risen, 0)
    assert [step for step in range(1, 226) if validates_at(step, 225, 75)] == [38, 76, 114, 152, 190, 225]


def test_what_nobody_chose_hangs_on_the_size_of_base_and_data() -> None:
    small = Wish().settled(examples=600, parameters=106_000_000, max_rank=16)
    assert (small.rank, small.alpha, small.learning_rate, small.epochs, small.batch_size) == (16, 32, 1e-3, 3, 8)
    large = Wish(method=Method.DPO, rate_factor=2).settled(examples=5, parameters=10**10, max_rank=8)
    assert (large.rank, large.alpha, large.learning_rate, large.epochs, large.batch_size) == (8, 16, 4e-5, 20, 1)
    assert 2e-4 < usual_rate(360_000_000) < 1e-3
    assert [usual_epochs(count) for count in (1, 10, 33, 34, 9_000)] == [25, 10, 3, 3, 2]


@pytest.mark.parametrize(
    "wish",
    [
        Wish(seed=-1),
        Wish(seed=2**32),
        Wish(epochs=math.nan),
        Wish(epochs=1e9),
        Wish(learning_rate=0.0),
        Wish(learning_rate=math.nan),
        Wish(rate_factor=math.inf),
        Wish(beta=0.0),
    ],
)
def test_a_number_that_nothing_can_be_trained_with_is_refused_by_its_name(wish: Wish) -> None:
    with pytest.raises(InvalidRequest, match=r"cannot be trained with\. Take a") as refusal:
        wish.check()
    assert getattr(wish, str(refusal.value.param)) != getattr(Wish(), str(refusal.value.param))
    Wish(seed=2**32 - 1, epochs=0.01, learning_rate=1e-6, rate_factor=0.1, beta=0.01).check()


def write_data(path: Path, answers: str, count: int = 12) -> Path:
    system = {"role": "system", "content": "Say it."}
    rows = [
        {"messages": [system, {"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": answers}]}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def order(base_dir: Path, folder: Path, config: TrainingConfig = CONFIG, held_out: str = "yes") -> TrainingOrder:
    data = write_data(folder / "train.jsonl", "yes")
    valid = write_data(folder / "valid.jsonl", held_out, 3)
    return TrainingOrder(data, base_dir, folder / "out", config, valid, save_every=5, engine="shared")


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs()


@pytest.fixture(scope="module")
def whole(
    runs: Runs, base_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingOrder, list[Event]]:
    """One training that nobody interrupts, and what it told."""
    told = order(base_dir, tmp_path_factory.mktemp("whole"))
    return told, runs.run(told)


def test_a_training_tells_its_steps_and_ends_as_a_version_in_the_state_trained(
    whole: tuple[TrainingOrder, list[Event]], base: BaseModel, registry: Registry, tmp_path: Path
) -> None:
    told, events = whole
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == list(range(1, 19))
    assert {event.total for event in steps} == {18}
    assert steps[-1].loss < steps[0].loss
    assert all(event.accuracy is not None for event in steps)
    validations = [event for event in events if isinstance(event, Validation)]
    assert [event.step for event in validations] == [6, 12, 18]
    assert isinstance(events[-1], Finished)

    version = registry.import_folder(told.out, "coach", base=base, limits=LIMITS)
    assert (version.engine_name, version.state, version.rank) == ("coach@1", VersionState.TRAINED, 4)
    assert version.warnings == ()
    assert (version.base_fingerprint, version.template_hash) == (base.fingerprint, base.template_hash)
    config = json.loads((version.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert {entry.name for entry in told.out.iterdir() if entry.is_dir()} == set()
    with safe_open(version.path / "adapter_model.safetensors", "np") as weights:
        names = set(weights.keys())
        assert {str(weights.get_slice(name).get_dtype()) for name in names} == {"BF16"}
    assert len(names) == 2 * len(base.linear)
    record = json.loads((version.path / "run.json").read_text())
    assert record["data"]["examples"] == 12
    assert record["data"]["learnt_tokens"] == 12 * 4
    assert record["trained_tokens"] == 3 * record["data"]["tokens"]
    assert (record["hardware"]["engine"], record["hardware"]["threads"]) == ("shared", 1)
    kept = [event.step for event in validations if event.best][-1]
    assert record["kept_step"] == events[-1].kept == kept
    assert str(told.out.parent) not in json.dumps(record)


def test_a_finished_run_is_not_done_twice_and_its_folder_is_no_other_runs(
    whole: tuple[TrainingOrder, list[Event]], tmp_path: Path
) -> None:
    told, _ = whole
    again: list[Event] = []
    run_training(told, again.append)
    assert [type(event) for event in again] == [Note, Finished]
    other = replace(told, data=write_data(tmp_path / "train.jsonl", "no"))
    with pytest.raises(InvalidRequest) as refusal:
        run_training(other, again.append)
    assert refusal.value.code == "out_holds_another_run"


def test_a_fault_in_the_data_reaches_the_caller_with_its_line(base_dir: Path, tmp_path: Path) -> None:
    told = order(base_dir, tmp_path)
    told.data.write_text(told.data.read_text() + "{}\n")
    with pytest.raises(InvalidRequest, match=r"train\.jsonl:13: messages:") as refusal:
        run_training(told, lambda _: None)
    assert refusal.value.code == "dataset_invalid"


def test_a_training_that_is_killed_goes_on_bit_by_bit_as_if_it_had_not_been(
    whole: tuple[TrainingOrder, list[Event]], runs: Runs, base_dir: Path, tmp_path: Path
) -> None:
    unbroken, _ = whole
    broken = order(base_dir, tmp_path)
    before = runs.run(broken, killed_at=step(13))  # it has validated since its last checkpoint
    assert [event.step for event in before if isinstance(event, Step)][-1] == 12
    events = runs.run(broken)
    assert next(event.step for event in events if isinstance(event, Step)) == 11
    weights = [told.out / "adapter_model.safetensors" for told in (unbroken, broken)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    records = [json.loads((told.out / "run.json").read_text()) for told in (unbroken, broken)]
    assert records[0]["curves"] == records[1]["curves"]
    assert records[0]["kept_step"] == records[1]["kept_step"]
    assert len(records[0]["curves"]["loss"]) == 18


def test_a_training_under_accelerate_ends_in_the_same_bits(
    whole: tuple[TrainingOrder, list[Event]], tmp_path: Path
) -> None:
    told, events = whole
    accelerate = Path(sys.executable).with_name("accelerate")
    program = (str(accelerate), "launch", "--num_processes", "1", "-m", "adapters.training")
    again: list[Event] = []
    run_training(replace(told, out=tmp_path / "out", program=program), again.append)
    losses = [[event.loss for event in some if isinstance(event, Step)] for some in (events, again)]
    assert losses[0] == losses[1]
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in (told.out, tmp_path / "out")]
    assert weights[0] == weights[1]


def test_a_training_that_only_gets_worse_ends_early_and_keeps_what_was_best(
    runs: Runs, base_dir: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, epochs=9, patience=1)
    told = order(base_dir, tmp_path, config, held_out="\u00e9\u00e8")  # nothing of it is ever learnt
    before = runs.run(told, killed_at='"event": "finished"')
    steps = [event.step for event in before if isinstance(event, Step)]
    assert steps[-1] < 54
    after = runs.run(told)
    assert not [event for event in after if isinstance(event, Step)]  # it had ended, and stays ended
    record = json.loads((told.out / "run.json").read_text())
    assert record["steps"] == steps[-1]
    assert record["kept_step"] < record["steps"]


def test_a_preference_is_learnt_from_pairs_with_a_scale_that_the_engine_serves(
    runs: Runs, base_dir: Path, base: BaseModel, registry: Registry, tmp_path: Path
) -> None:
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": f"{n}?"}]},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no way"}],
        }
        for n in range(6)
    ]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    config = replace(CONFIG, method=Method.DPO, rslora=True, precision=Precision.FP32)
    told = TrainingOrder(data, base_dir, tmp_path / "out", config, data)
    steps = [event for event in runs.run(told) if isinstance(event, Step)]
    assert steps[0].loss == pytest.approx(0.6931, abs=1e-3)  # of log 2: adapter and base are one at first
    assert steps[-1].loss < 0.6
    assert steps[-1].accuracy == 1.0
    version = registry.import_folder(told.out, "coach", base=base, limits=LIMITS)
    assert json.loads((version.path / "adapter_config.json").read_text())["use_rslora"] is True


def test_a_method_is_refused_on_rows_that_are_not_its_own(base_dir: Path, tmp_path: Path) -> None:
    told = order(base_dir, tmp_path, replace(CONFIG, method=Method.DPO))
    with pytest.raises(InvalidRequest) as refusal:
        run_training(told, lambda _: None)
    assert refusal.value.code == "wrong_format"
