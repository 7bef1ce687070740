"""What is minimised: answers to imitate, or pairs of answers of which one is preferred. Owns loss and measures.

Both compute logits only where there is something to learn. With answers a tenth of the text, scoring every
position would be most of the work of the output layer.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from datasets import Dataset as Rows
from torch import Tensor
from transformers.trainer_callback import TrainerControl
from trl import SFTTrainer

from adapters.training.encoding import IGNORED, EncodedExample, EncodedPair
from adapters.training.optimizer import MasterAdamW
from adapters.training.order import LengthGroupedOrder

_PLAIN_HEADS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model makes of the learnt tokens of a batch.

    Attributes:
        likelihood: log-likelihood of each.
        right: whether it was the likeliest.
        row: the example that it stands in.
    """

    likelihood: Tensor
    right: Tensor
    row: Tensor


@dataclass(slots=True)
class Sums:
    """What a validation adds up."""

    loss: float = 0.0
    weight: int = 0
    right: int = 0
    of: int = 0
    exact: int = 0
    rows: int = 0


class AdapterTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types that mypy follows here
    """TRL's trainer with an order and an optimizer of ours, and a validation that counts what was got right."""

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

    control: TrainerControl

    def evaluate(self, *_: object, **__: object) -> dict[str, float]:
        """Measure the validation examples, batch by batch in their order."""
        sums = Sums()
        rows, size = list(self.eval_dataset), self.args.per_device_eval_batch_size
        self.model.eval()
        with torch.no_grad():
            for start in range(0, len(rows), size):
                batch = self.data_collator(rows[start : start + size])
                self._measure({name: part.to(self.model.device) for name, part in batch.items()}, sums)
        self.model.train()
        metrics = {
            "eval_loss": sums.loss / max(1, sums.weight),
            "eval_accuracy": sums.right / max(1, sums.of),
            "eval_exact": sums.exact / max(1, sums.rows),
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _scores(self, inputs: Batch) -> Scores:
        base = self.accelerator.unwrap_model(self.model).get_base_model()
        ids, labels = inputs["input_ids"], inputs["labels"][:, 1:]
        learnt = labels != IGNORED
        # Padding stands on the right, so that the causal mask already hides it from what is learnt.
        if base.config.model_type in _PLAIN_HEADS:
            hidden = base.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
            logits = base.lm_head(hidden[learnt])
        else:
            logits = base(input_ids=ids, use_cache=False).logits[:, :-1][learnt]
        wanted = labels[learnt]
        likelihood = -torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none")
        return Scores(likelihood, logits.argmax(-1) == wanted, learnt.nonzero()[:, 0])

    def _note_accuracy(self, right: Tensor) -> None:
        self._metrics["train"]["mean_token_accuracy"].append(right.float().mean().item())

    def _measure(self, inputs: Batch, sums: Sums) -> None:
        raise NotImplementedError


class AnswerTrainer(AdapterTrainer):
    """Learns to say the assistant's part."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the mean negative log-likelihood of the learnt tokens."""
        scores = self._scores(inputs)
        self._note_accuracy(scores.right)
        total: Tensor = -scores.likelihood.sum()
        return total / (num_items_in_batch if num_items_in_batch is not None else len(scores.likelihood))

    def _measure(self, inputs: Batch, sums: Sums) -> None:
        scores, rows = self._scores(inputs), len(inputs["input_ids"])
        wrong = torch.bincount(scores.row[~scores.right], minlength=rows)
        sums.loss -= scores.likelihood.sum().item()
        sums.weight += len(scores.likelihood)
        sums.right += int(scores.right.sum())
        sums.of += len(scores.right)
        sums.exact += int((wrong == 0).sum())
        sums.rows += rows


class PreferenceTrainer(AdapterTrainer):
    """Learns to prefer one answer to another, by DPO's loss (Rafailov et al., 2023, equation 7).

    A batch holds the preferred answers and behind them, in the same order, those to avoid. The reference is the
    base itself: the same model with its adapter switched off.
    """

    beta: ClassVar[float] = 0.1

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Return the mean loss of the pairs."""
        margin = self._margin(inputs)
        self._note_accuracy(margin > 0)
        loss: Tensor = -torch.nn.functional.logsigmoid(self.beta * margin).mean()
        return loss

    def _margin(self, inputs: Batch) -> Tensor:
        """Return by how much the adapter prefers the right answer, beyond what the base does."""
        ours = self._answers(inputs)
        with torch.no_grad(), self.accelerator.unwrap_model(self.model).disable_adapter():
            theirs = self._answers(inputs)
        chosen, rejected = (ours - theirs).chunk(2)
        return chosen - rejected

    def _answers(self, inputs: Batch) -> Tensor:
        scores = self._scores(inputs)
        sums = torch.zeros(len(inputs["input_ids"]), device=scores.likelihood.device)
        return sums.index_add(0, scores.row, scores.likelihood)

    def _measure(self, inputs: Batch, sums: Sums) -> None:
        margin = self._margin(inputs)
        right = int((margin > 0).sum())
        sums.loss -= torch.nn.functional.logsigmoid(self.beta * margin).sum().item()
        sums.weight += len(margin)
        sums.right, sums.of = sums.right + right, sums.of + len(margin)
        sums.exact, sums.rows = sums.exact + right, sums.rows + len(margin)


def rows_of(examples: list[EncodedExample] | list[EncodedPair]) -> Rows:
    """Return examples as the trainer reads them."""
    columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for example in examples:
        sides = (example.chosen, example.rejected) if isinstance(example, EncodedPair) else (example,)
        for prefix, side in zip(("", "rejected_"), sides, strict=False):
            columns.setdefault(f"{prefix}input_ids", []).append(side.input_ids)
            columns.setdefault(f"{prefix}labels", []).append(side.labels)
    return Rows.from_dict(columns)


class Padding:
    """Makes a batch of rows; of pairs those to avoid stand behind those to prefer."""

    def __init__(self, token: int) -> None:
        self._token = token

    def __call__(self, rows: list[dict[str, list[int]]]) -> Batch:
        """Return token ids and labels, filled up on the right."""
        sides = [(row["input_ids"], row["labels"]) for row in rows]
        sides += [(row["rejected_input_ids"], row["rejected_labels"]) for row in rows if "rejected_labels" in row]
        longest = max(len(ids) for ids, _ in sides)
        ids = [ids + [self._token] * (longest - len(ids)) for ids, _ in sides]
        labels = [labels + [IGNORED] * (longest - len(labels)) for _, labels in sides]
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}
