"""A layer's adapter weights, packed so that one product serves all its slices and all its slots.

vLLM keeps one stacked tensor for each slice of a fused layer (q, k and v; gate and up), padded to the
server's highest rank. The slices share their input, so their A matrices stand under each other here,
and their B matrices form a block diagonal; only rows in use are kept. Knows nothing of vLLM.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Product = Callable[[torch.Tensor], torch.Tensor]
"""Multiplies rows with a fixed matrix: shape [rows, k] → [rows, n]."""

ProductFactory = Callable[[torch.Tensor], Product]
"""Makes the product for a matrix of shape [k, n]."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The weights as vLLM keeps them.

    Attributes:
        a: for each slice a tensor of shape [slots, 1, rank, inputs].
        b: for each slice a tensor of shape [slots, 1, outputs of the slice, rank].
        output_slices: outputs of each slice.
    """

    a: tuple[torch.Tensor, ...]
    b: tuple[torch.Tensor, ...]
    output_slices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerProducts:
    """The two products of an adapter's layer.

    Attributes:
        shrink: x, shape [rows, inputs] → x @ A.T, shape [rows, columns].
        expand: hidden, shape [rows, columns] → hidden @ B.T, shape [rows, outputs].
    """

    shrink: Product
    expand: Product


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """The weights of one layer as this plug-in multiplies them.

    Attributes:
        generation: of the slots' contents when this was packed.
        slots: slots that hold weights for this layer.
        columns: the slot of each column of `shrink_t`.
        whole: the products of all slots at once.
        parts: slot → its own products.
    """

    generation: int
    slots: frozenset[int]
    columns: tuple[int, ...]
    whole: LayerProducts | None
    parts: dict[int, LayerProducts]

    @classmethod
    def pack(cls, weights: LayerWeights, generation: int, product: ProductFactory) -> "PackedLayer":
        """Pack what the slots hold now."""
        shrinks: list[torch.Tensor] = []
        expands: list[torch.Tensor] = []
        columns: list[int] = []
        parts: dict[int, LayerProducts] = {}
        for slot in range(weights.a[0].shape[0]):
            packed = _pack_slot(weights, slot)
            if packed is not None:
                shrink, expand = packed
                columns.extend([slot] * shrink.shape[0])
                shrinks.append(shrink)
                expands.append(expand)
                parts[slot] = LayerProducts(product(shrink.t()), product(expand))
        whole = next(iter(parts.values()), None)
        if len(parts) > 1:
            whole = LayerProducts(product(torch.cat(shrinks).t()), product(torch.cat(expands)))
        return cls(generation, frozenset(parts), tuple(columns), whole, parts)


def _pack_slot(weights: LayerWeights, slot: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return (A of all slices, shape [columns, inputs], block-diagonal B, shape [columns, outputs])."""
    shrinks: list[torch.Tensor] = []
    expands: list[torch.Tensor] = []
    left = 0
    for a, b, width in zip(weights.a, weights.b, weights.output_slices, strict=True):
        used = torch.nonzero(b[slot, 0].ne(0).any(dim=0) & a[slot, 0].ne(0).any(dim=1)).squeeze(1)
        if used.numel():
            block = b.new_zeros((used.numel(), sum(weights.output_slices)))
            block[:, left : left + width] = b[slot, 0, :width].index_select(1, used).t()
            shrinks.append(a[slot, 0].index_select(0, used))
            expands.append(block)
        left += width
    if not shrinks:
        return None
    return torch.cat(shrinks).contiguous(), torch.cat(expands).contiguous()
