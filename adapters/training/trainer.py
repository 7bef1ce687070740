"""The run itself: TRL's trainer over a LoRA of all linear layers, from its last checkpoint on. Owns precision."""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, TrainerCallback, set_seed
from transformers.trainer_callback import PrinterCallback, TrainerControl, TrainerState
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig

from adapters.training.choosing import Measured, best, is_over, validates_at
from adapters.training.config import Method, Precision, TrainingConfig
from adapters.training.encoding import EncodedExample, EncodedPair
from adapters.training.learning import AdapterTrainer, AnswerTrainer, Padding, PreferenceTrainer, rows_of
from adapters.training.progress import Note, Pace, Reporter, Step, Validation
from adapters.training.saving import save_adapter

_STATE = "trainer_state.json"
Encoded = list[EncodedExample] | list[EncodedPair]
History = list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything that a run needs once texts are token ids.

    Attributes:
        best: folder of the adapter that did best on the validation examples.
    """

    base: Path
    checkpoints: Path
    best: Path
    train: Encoded
    valid: Encoded
    config: TrainingConfig
    save_every: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the data."""
        return math.ceil(len(self.train) / self.config.batch_size)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained model and what the record tells of the run.

    Attributes:
        kept: the step whose weights are the result; those in `TrainingJob.best` where there were validations.
    """

    model: PeftModel
    steps: int
    kept: int
    history: History
    dtype: str
    device: str


def run(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, reporter: Reporter) -> Outcome:
    """Train, going on from the last checkpoint in `job.checkpoints` where there is one."""
    on_gpu = torch.cuda.is_available()
    dtype = _dtype(job.config.precision, on_gpu=on_gpu)
    set_seed(job.config.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    trainer = _trainer(job, tokenizer, reporter, dtype, on_gpu=on_gpu)
    resumed = get_last_checkpoint(str(job.checkpoints)) if job.checkpoints.is_dir() else None
    if resumed:
        reporter.tell(Note(f"Going on from {Path(resumed).name}."))
    state: TrainerState = trainer.state
    if resumed and is_over(validations(_history(Path(resumed))), job.config.patience):
        state = TrainerState.load_from_json(str(Path(resumed) / _STATE))  # it ended here before, and stays ended
    else:
        trainer.train(resume_from_checkpoint=resumed)
        state = trainer.state
    kept = best(validations(state.log_history))
    device = "cuda" if on_gpu else "cpu"
    return Outcome(
        trainer.model,
        state.global_step,
        state.global_step if kept is None else kept.step,
        state.log_history,
        str(dtype).removeprefix("torch."),
        device,
    )


def validations(history: History) -> list[Measured]:
    """Read the validations from the trainer's history, which a resumed run inherits."""
    return [
        Measured(int(one["step"]), one["eval_exact"], one["eval_accuracy"], one["eval_loss"])
        for one in history
        if "eval_exact" in one
    ]


class _Telling(TrainerCallback):  # type: ignore[misc]  # transformers ships no types that mypy follows here
    """Passes each step on to the reporter, keeps the best weights, and ends what gets no better."""

    def __init__(self, reporter: Reporter, job: TrainingJob) -> None:
        self._reporter = reporter
        self._job = job
        self._pace: Pace | None = None

    def on_train_begin(self, args: SFTConfig, state: TrainerState, control: object, **_: object) -> None:
        """Start the clock."""
        self._pace = Pace(state.max_steps, state.global_step)

    def on_step_end(self, args: SFTConfig, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Say when it is time to validate."""
        if self._job.valid and validates_at(state.global_step, state.max_steps, self._job.steps_per_epoch):
            control.should_evaluate = True

    def on_evaluate(
        self, args: SFTConfig, state: TrainerState, control: TrainerControl, model: PeftModel, **_: object
    ) -> None:
        """Keep what is best, and end what has not got better for long."""
        seen = validations(state.log_history)
        now, found = seen[-1], best(seen)
        if found == now:
            self._job.best.mkdir(exist_ok=True)
            save_adapter(model, self._job.best, base_name=self._job.base.resolve().name)
        self._reporter.tell(Validation(now.step, now.loss, now.accuracy, now.exact, best=found == now))
        if is_over(seen, self._job.config.patience) and now.step < state.max_steps:
            self._reporter.tell(Note(f"{self._job.config.patience} validations were no better: it ends here."))
            control.should_training_stop = True
            control.should_save = True

    def on_log(
        self, args: SFTConfig, state: TrainerState, control: object, logs: dict[str, float], **_: object
    ) -> None:
        """Tell of a step."""
        if "loss" in logs and self._pace is not None:
            left = self._pace.seconds_left(state.global_step)
            loss, rate = float(logs["loss"]), float(logs["learning_rate"])
            gradient = float(logs["grad_norm"]) if "grad_norm" in logs else None
            accuracy = logs.get("mean_token_accuracy")
            self._reporter.tell(
                Step(state.global_step, state.max_steps, loss, rate, left, gradient, _rounded(accuracy))
            )


def _trainer(
    job: TrainingJob,
    tokenizer: PreTrainedTokenizerBase,
    reporter: Reporter,
    dtype: torch.dtype,
    *,
    on_gpu: bool,
) -> AdapterTrainer:
    config = job.config
    model = AutoModelForCausalLM.from_pretrained(
        job.base,
        dtype=dtype,
        # Measured on two CPU cores in bf16: plain attention took 5.2 s a step, the fused one 6.3 s.
        attn_implementation="sdpa" if on_gpu else "eager",
        local_files_only=True,
    )
    kind = PreferenceTrainer if config.method is Method.DPO else AnswerTrainer
    PreferenceTrainer.beta = config.beta
    trainer = kind(
        model=model,
        args=_arguments(job, on_gpu=on_gpu),
        train_dataset=rows_of(job.train),
        eval_dataset=rows_of(job.valid) if job.valid else None,
        processing_class=tokenizer,
        data_collator=Padding(tokenizer.pad_token_id or tokenizer.eos_token_id or 0),
        peft_config=LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=0.0,
            use_rslora=config.rslora,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[_Telling(reporter, job)],
    )
    trainer.remove_callback(PrinterCallback)  # it would write into the parent's stream of events
    return trainer


def _arguments(job: TrainingJob, *, on_gpu: bool) -> SFTConfig:
    config = job.config
    steps = math.ceil(job.steps_per_epoch * config.epochs)
    return SFTConfig(
        output_dir=str(job.checkpoints),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(steps * 0.05)),
        max_grad_norm=1.0,
        seed=config.seed,
        data_seed=config.seed,
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        gradient_checkpointing=False,
        bf16=False,  # the weights themselves are in the chosen format; no autocast on top
        use_cpu=not on_gpu,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",  # `_Telling` says when
        save_strategy="steps",
        save_steps=job.save_every,
        save_total_limit=1,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        log_level="error",
    )


def _history(checkpoint: Path) -> History:
    history: History = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))["log_history"]
    return history


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 5)


def _dtype(precision: Precision, *, on_gpu: bool) -> torch.dtype:
    """Choose bf16 where the machine multiplies it natively: elsewhere it is many times slower than fp32."""
    if precision is Precision.AUTO:
        native = torch.cuda.is_bf16_supported() if on_gpu else torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if precision is Precision.BF16 else torch.float32


def quiet() -> None:
    """Keep the libraries' chatter out of the log; their errors stay."""
    for name in ("transformers", "peft", "trl", "accelerate", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
