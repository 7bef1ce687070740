"""Adds every row's adapter product to a layer's output, by whichever road is shortest for the step.

One adapter: its two products on a view of the rows. A small batch of several: all adapters' products at
once, with what is not the row's own masked out between them. A large batch: adapter by adapter.
Knows nothing of vLLM.
"""

import torch

from adapters.plugin.grouping import RowGroups
from adapters.plugin.packing import LayerProducts, PackedLayer

_MASKED_ROWS = 64
_MASKED_SLOTS = 8


def accumulate(y: torch.Tensor, x: torch.Tensor, layer: PackedLayer, rows: RowGroups, scale: float) -> None:
    """Add each row's adapter product to y; rows without adapter are not touched by a nonzero term."""
    if layer.parts.keys().isdisjoint(rows.active):
        return
    if rows.single is not None:
        slot, start, end = rows.single
        _add(y[start:end], layer.parts[slot], x[start:end], scale)
    elif rows.count <= _MASKED_ROWS and len(layer.parts) <= _MASKED_SLOTS and (every := layer.all_slots()):
        hidden = every.products.shrink(x[: rows.count])
        hidden.masked_fill_(rows.foreign(every.columns), 0)
        y[: rows.count].add_(every.products.expand(hidden), alpha=scale)
    else:
        for slot in rows.active & layer.parts.keys():
            segment = rows.contiguous.get(slot)
            if segment is not None:
                _add(y[slice(*segment)], layer.parts[slot], x[slice(*segment)], scale)
            else:
                index = rows.index(slot)
                products = layer.parts[slot]
                part = products.expand(products.shrink(x.index_select(0, index)))
                y.index_add_(0, index, part, alpha=scale)


def _add(y: torch.Tensor, products: LayerProducts, x: torch.Tensor, scale: float) -> None:
    y.add_(products.expand(products.shrink(x)), alpha=scale)
