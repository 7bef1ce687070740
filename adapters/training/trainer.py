"""The run itself: TRL's SFTTrainer over a LoRA of all linear layers. Owns number format and loss."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset as Rows
from peft import LoraConfig, PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback, TrainerState
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from adapters.training.config import Precision, TrainingConfig
from adapters.training.encoding import IGNORED, EncodedExample
from adapters.training.optimizer import MasterAdamW
from adapters.training.order import LengthGroupedOrder
from adapters.training.progress import Note, Pace, Reporter, Step, Validation

_SAVE_EVERY = 50
_PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3"})


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything that a run needs once texts are token ids."""

    base: Path
    checkpoints: Path
    train: list[EncodedExample]
    valid: list[EncodedExample]
    config: TrainingConfig


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained model and what the record tells of the run."""

    model: PeftModel
    steps: int
    losses: list[tuple[int, float]]
    validations: list[tuple[int, float]]
    dtype: str
    device: str


def run(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, reporter: Reporter) -> Outcome:
    """Train, going on from the last checkpoint in `job.checkpoints` where there is one."""
    on_gpu = torch.cuda.is_available()
    dtype = _dtype(job.config.precision, on_gpu=on_gpu)
    torch.manual_seed(job.config.seed)
    model = AutoModelForCausalLM.from_pretrained(
        job.base,
        dtype=dtype,
        # Measured on two CPU cores in bf16: plain attention took 5.2 s a step, the fused one 6.3 s.
        attn_implementation="sdpa" if on_gpu else "eager",
        local_files_only=True,
    )
    trainer = _AnswerTrainer(
        model=model,
        args=_arguments(job, on_gpu=on_gpu),
        train_dataset=_rows(job.train),
        eval_dataset=_rows(job.valid) if job.valid else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=job.config.rank,
            lora_alpha=job.config.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[_Telling(reporter)],
    )
    trainer.remove_callback(PrinterCallback)  # it would write into the parent's stream of events
    resumed = get_last_checkpoint(str(job.checkpoints)) if job.checkpoints.is_dir() else None
    if resumed:
        reporter.tell(Note(f"Going on from {Path(resumed).name}."))
    trainer.train(resume_from_checkpoint=resumed)
    return Outcome(
        trainer.model,
        trainer.state.global_step,
        _curve(trainer.state.log_history, "loss"),
        _curve(trainer.state.log_history, "eval_loss"),
        str(dtype).removeprefix("torch."),
        "cuda" if on_gpu else "cpu",
    )


class _AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types that mypy follows here
    """SFTTrainer that on a CPU computes logits only where there is something to learn.

    TRL's own loss scores every position there; with answers a tenth of the text that is most of the work of
    the output layer. Padding stands on the right, so the causal mask already hides it from what is learnt.
    """

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the mean negative log-likelihood of the learnt tokens."""
        base = self.accelerator.unwrap_model(model).get_base_model()
        if return_outputs or base.device.type != "cpu" or base.config.model_type not in _PLAIN_HEADS:
            loss: Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            return loss
        hidden = base.model(input_ids=inputs["input_ids"], use_cache=False).last_hidden_state[:, :-1]
        labels = inputs["labels"][:, 1:]
        learnt = labels != IGNORED
        logits = base.lm_head(hidden[learnt]).float()
        total = torch.nn.functional.cross_entropy(logits, labels[learnt], reduction="sum")
        return total / (num_items_in_batch if num_items_in_batch is not None else learnt.sum())

    def _get_train_sampler(self, train_dataset: Rows | None = None) -> LengthGroupedOrder:
        rows = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(ids) for ids in rows["input_ids"]]
        return LengthGroupedOrder(lengths, self.args.train_batch_size, self.args.seed)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer over the adapter's weights, once these are what they start from.

        PEFT keeps adapters in fp32 beside a bf16 base, when it makes them and again when it loads a checkpoint,
        which casts every activation to and fro. They follow the base; the optimizer's masters keep precision.
        """
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        for weight in weights:
            weight.data = weight.data.to(self.model.dtype)
        self.optimizer: torch.optim.Optimizer = MasterAdamW(weights, lr=self.args.learning_rate)
        return self.optimizer


class _Telling(TrainerCallback):  # type: ignore[misc]  # transformers ships no types that mypy follows here
    """Passes each step on to the reporter."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._pace: Pace | None = None

    def on_train_begin(self, args: SFTConfig, state: TrainerState, control: object, **_: object) -> None:
        """Start the clock."""
        self._pace = Pace(state.max_steps, state.global_step)

    def on_log(
        self, args: SFTConfig, state: TrainerState, control: object, logs: dict[str, float], **_: object
    ) -> None:
        """Tell of a step or of a validation."""
        if "eval_loss" in logs:
            self._reporter.tell(Validation(state.global_step, float(logs["eval_loss"])))
        elif "loss" in logs and self._pace is not None:
            left = self._pace.seconds_left(state.global_step)
            loss, rate = float(logs["loss"]), float(logs["learning_rate"])
            gradient = float(logs["grad_norm"]) if "grad_norm" in logs else None
            self._reporter.tell(Step(state.global_step, state.max_steps, loss, rate, left, gradient))


def _arguments(job: TrainingJob, *, on_gpu: bool) -> SFTConfig:
    config = job.config
    steps = math.ceil(math.ceil(len(job.train) / config.batch_size) * config.epochs)
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
        dataloader_pin_memory=on_gpu,
        gradient_checkpointing=False,
        bf16=False,  # the weights themselves are in the chosen format; no autocast on top
        use_cpu=not on_gpu,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="epoch" if job.valid else "no",
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=_SAVE_EVERY,
        save_total_limit=1,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        log_level="error",
    )


def _rows(examples: list[EncodedExample]) -> Rows:
    return Rows.from_dict(
        {
            "input_ids": [example.input_ids for example in examples],
            "labels": [example.labels for example in examples],
        }
    )


def _curve(history: list[dict[str, float]], key: str) -> list[tuple[int, float]]:
    """Read a curve from the trainer's history, which a resumed run inherits."""
    return [(int(entry["step"]), round(float(entry[key]), 5)) for entry in history if key in entry]


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
