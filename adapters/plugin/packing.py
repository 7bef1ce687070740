"""A layer's adapter weights, packed so that one product serves all its slices and all its slots.

vLLM keeps one stacked tensor for each slice of a fused layer (q, k and v; gate and up), padded to the
server's highest rank. The slices share their input, so their A matrices stand under each other here,
and their B matrices form a block diagonal; only rows in use are kept. Knows nothing of vLLM.
"""

from collections.abc import Callable, Sequence
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
class AllSlots:
    """The products of all slots at once.

    Attributes:
        products: their columns stand beside each other.
        columns: the slot of each column of the hidden product.
    """

    products: LayerProducts
    columns: tuple[int, ...]


class PackedLayer:
    """The weights of one layer as this plug-in multiplies them.

    Packing holds up every stream, so a slot whose weights have not changed is taken over from the layer
    before, and the products of all slots at once wait until they have been asked for some times.

    Args:
        weights: of the layer; whoever writes to them must make a new packed layer.
        generations: of the contents of each slot.
        product: makes products.
        patience: how often `all_slots` answers None before it packs. Different for each layer, it keeps
            them from packing in the same step.
        before: the layer as it was packed until now.
    """

    def __init__(
        self,
        weights: LayerWeights,
        generations: Sequence[int],
        product: ProductFactory,
        *,
        patience: int = 0,
        before: "PackedLayer | None" = None,
    ) -> None:
        self.generations = tuple(generations)
        self.parts: dict[int, LayerProducts] = {}
        """Slot → its own products; slots without weights for this layer are left out."""
        self._weights = weights
        self._product = product
        self._patience = patience
        self._all: AllSlots | None = None
        for slot, generation in enumerate(self.generations):
            if before is not None and before.generations[slot] == generation:
                if slot in before.parts:
                    self.parts[slot] = before.parts[slot]
            elif (packed := _pack_slot(weights, slot)) is not None:
                self.parts[slot] = self._products(*packed)

    def all_slots(self) -> AllSlots | None:
        """Return the products of all slots at once, or None while it does not pay to pack them."""
        if self._all is None:
            if self._patience > 0:
                self._patience -= 1
                return None
            packed = {slot: _pack_slot(self._weights, slot) for slot in self.parts}
            found = [(slot, *matrices) for slot, matrices in packed.items() if matrices is not None]
            shrink = torch.cat([a for _, a, _ in found])
            expand = torch.cat([b for _, _, b in found])
            columns = tuple(slot for slot, a, _ in found for _ in range(a.shape[0]))
            self._all = AllSlots(self._products(shrink, expand), columns)
        return self._all

    def _products(self, shrink: torch.Tensor, expand: torch.Tensor) -> LayerProducts:
        return LayerProducts(self._product(shrink.t()), self._product(expand))


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
