"""LoRA operators for vLLM on CPU: correct for rows without an adapter, and fast.

vLLM's own CPU operators have two faults (read in 0.32): they index the stacked weights with -1 for a
row without adapter, which picks the last slot, and they copy each row's whole adapter matrix before
multiplying. Here the rows of a step are grouped once, when vLLM sets the mapping, and every layer then
runs two or three plain matrix products over packed weights (`adapters.plugin.packing`).
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from vllm import _custom_ops as custom_ops
from vllm.lora.model_manager import LoRAModelManager
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

from adapters.plugin.accumulation import accumulate
from adapters.plugin.grouping import RowGroups
from adapters.plugin.packing import LayerWeights, PackedLayer, Product
from adapters.plugin.slots import watch_slots

_CACHED_SHAPES = 32
_SETTLED_STEPS = 8
"""Mixed steps after a change of slots before the first layer packs all of them together."""


class GroupedPunicaWrapper(PunicaWrapperCPU):  # type: ignore[misc]  # vLLM ships no types that mypy follows here
    """vLLM's CPU Punica wrapper with grouped products in place of gathered ones."""

    def __init__(self, max_num_batched_tokens: int, max_batches: int, device: Any, **kwargs: Any) -> None:
        super().__init__(max_num_batched_tokens, max_batches, device, **kwargs)
        self._generations: defaultdict[int, int] = defaultdict(int)
        self._changes = 0
        self._layers: dict[int, tuple[int, PackedLayer]] = {}
        self._numbers: dict[int, int] = {}
        self._rows = RowGroups(())
        self._samples = RowGroups(())
        watch_slots(LoRAModelManager)

    def slot_changed(self, slot: int) -> None:
        """Note that the weights of a slot were written; its packed copies are rebuilt when next used."""
        self._generations[slot] += 1
        self._changes += 1

    def update_metadata(
        self, mapping: Any, lora_index_to_id: list[int | None], max_loras: int, vocab_size: int, **kwargs: Any
    ) -> None:
        """Group the rows of the coming step by the slot of their adapter."""
        self._update_base_metadata(mapping, lora_index_to_id, max_loras, vocab_size)
        self._rows = RowGroups(self.token_lora_indices.tolist())
        self._samples = RowGroups(self.sampler_indices.tolist())
        self.is_prefill = True

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        lora_b_stacked: tuple[torch.Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        """Add `scale * (x @ A.T) @ B.T` of each row's adapter to y, shape [rows, sum(output_slices)]."""
        if self._rows.active:
            layer = self._packed(lora_a_stacked, lora_b_stacked, output_slices)
            accumulate(y, x, layer, self._rows, scale)

    def add_lora_logits(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: torch.Tensor,
        lora_b_stacked: torch.Tensor,
        scale: float,
        **kwargs: Any,
    ) -> None:
        """Add an adapter's part to the logits y, shape [samples, vocabulary]."""
        if self._samples.active:
            layer = self._packed((lora_a_stacked,), (lora_b_stacked,), (lora_b_stacked.shape[2],))
            if layer.parts:
                part = x.new_zeros(y.shape)  # the logits may be kept in a wider type than the weights
                accumulate(part, x, layer, self._samples, scale)
                y.add_(part)

    def add_lora_embedding(
        self, y: torch.Tensor, x: torch.Tensor, lora_b_stacked: torch.Tensor, **kwargs: Any
    ) -> None:
        """Add `x @ B.T` to y, shape [rows, width]; x, shape [rows, rank], was looked up by the layer."""
        for slot, start, end in self._rows.segments:
            y[start:end].addmm_(x[start:end], lora_b_stacked[slot, 0].t())

    def add_shrink(
        self,
        y: Sequence[torch.Tensor],
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        scale: float,
        **kwargs: Any,
    ) -> None:
        """Add `scale * x @ A.T` to each y[i], shape [rows, rank]; used by fully sharded layers only."""
        for index, weight in enumerate(lora_a_stacked):
            for slot, start, end in self._rows.segments:
                y[index][start:end] += (x[start:end] @ weight[slot, 0].t()).to(y[index].dtype) * scale

    def add_expand(
        self,
        y: torch.Tensor,
        x: Sequence[torch.Tensor],
        lora_b_stacked: tuple[torch.Tensor, ...],
        output_slices: tuple[int, ...],
        offset_start: int = 0,
        add_inputs: bool = True,
        **kwargs: Any,
    ) -> None:
        """Add `x[i] @ B.T` to the i-th column slice of y; used by fully sharded layers only."""
        left = offset_start
        for index, width in enumerate(output_slices):
            weight = lora_b_stacked[index]
            for slot, start, end in self._rows.segments:
                part = x[index][start:end].to(weight.dtype) @ weight[slot, 0].t()
                target = y[start:end, left : left + width]
                target.add_(part) if add_inputs else target.copy_(part)
            left += width

    def _packed(
        self,
        a: tuple[torch.Tensor, ...],
        b: tuple[torch.Tensor, ...],
        output_slices: tuple[int, ...],
    ) -> PackedLayer:
        key = a[0].data_ptr()
        change, layer = self._layers.get(key, (0, None))
        if layer is None or change != self._changes:
            number = self._numbers.setdefault(key, len(self._numbers))
            layer = PackedLayer(
                LayerWeights(a, b, output_slices),
                [self._generations[slot] for slot in range(a[0].shape[0])],
                onednn_product,
                patience=_SETTLED_STEPS + number,
                before=layer,
            )
            self._layers[key] = (self._changes, layer)
        return layer


def onednn_product(matrix: torch.Tensor) -> Product:
    """Return the product with a matrix, shape [k, n], packed once by oneDNN.

    A product of this size through `torch.mm` in bfloat16 takes 15 µs, most of it oneDNN looking up its
    primitive; vLLM's handle keeps the primitive and takes 5.
    """
    handle = custom_ops.create_onednn_mm(matrix, _CACHED_SHAPES)
    return lambda rows: custom_ops.onednn_mm(handle, rows, None)
