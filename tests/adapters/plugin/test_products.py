"""The packed products equal the plain ones, row by row, for any mix of adapters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.plugin.accumulation import accumulate
from adapters.plugin.grouping import RowGroups
from adapters.plugin.packing import LayerWeights, PackedLayer, Product

INPUTS = 12
SLICES = (8, 4, 4)
SLOTS = 4
RANK = 6
FIRST = (1,) * SLOTS
"""Generations of slots that were each written once."""


def plain_product(matrix: torch.Tensor) -> Product:
    return lambda rows: rows @ matrix


def layer_weights(seed: int, used_ranks: tuple[int, ...]) -> LayerWeights:
    """Weights as vLLM keeps them: padded to the highest rank, unused slots zero."""
    generator = torch.Generator().manual_seed(seed)
    a = tuple(torch.zeros(SLOTS, 1, RANK, INPUTS) for _ in SLICES)
    b = tuple(torch.zeros(SLOTS, 1, width, RANK) for width in SLICES)
    for slot, rank in enumerate(used_ranks):
        for index, width in enumerate(SLICES):
            a[index][slot, 0, :rank] = torch.randn(rank, INPUTS, generator=generator)
            b[index][slot, 0, :, :rank] = torch.randn(width, rank, generator=generator)
    return LayerWeights(a, b, SLICES)


def row_by_row(x: torch.Tensor, weights: LayerWeights, slots: list[int]) -> torch.Tensor:
    y = torch.zeros(len(slots), sum(SLICES))
    for row, slot in enumerate(slots):
        if slot >= 0:
            parts = [x[row] @ a[slot, 0].t() @ b[slot, 0].t() for a, b in zip(weights.a, weights.b, strict=True)]
            y[row] = torch.cat(parts)
    return y


@given(
    slots=st.lists(st.integers(-1, SLOTS - 1), min_size=1, max_size=90),
    ranks=st.tuples(*[st.integers(0, RANK)] * SLOTS),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80)
def test_every_row_gets_its_own_adapter_and_no_other(slots: list[int], ranks: tuple[int, ...], seed: int) -> None:
    weights = layer_weights(seed, ranks)
    layer = PackedLayer(weights, FIRST, plain_product)
    x = torch.randn(len(slots), INPUTS, generator=torch.Generator().manual_seed(seed))
    y = torch.zeros(len(slots), sum(SLICES))
    accumulate(y, x, layer, RowGroups(slots), 1.0)
    torch.testing.assert_close(y, row_by_row(x, weights, slots), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [3, 40, 200])
def test_rows_without_adapter_keep_their_bits(rows: int) -> None:
    weights = layer_weights(1, (6, 6, 6, 6))
    slots = [index % 5 - 1 for index in range(rows)]
    y = torch.randn(rows, sum(SLICES))
    before = y.clone()
    accumulate(y, torch.randn(rows, INPUTS), PackedLayer(weights, FIRST, plain_product), RowGroups(slots), 1.0)
    untouched = torch.tensor([slot < 0 for slot in slots])
    assert torch.equal(y[untouched], before[untouched])
    assert not torch.equal(y[~untouched], before[~untouched])


def test_an_unbounded_activation_of_one_row_stays_in_its_row() -> None:
    weights = layer_weights(2, (6, 6, 0, 0))
    x = torch.randn(4, INPUTS)
    x[0] = float("inf")
    y = torch.zeros(4, sum(SLICES))
    accumulate(y, x, PackedLayer(weights, FIRST, plain_product), RowGroups([0, 1, 0, 1]), 1.0)
    assert torch.isfinite(y[1:]).all()


def test_the_scale_is_applied_once() -> None:
    weights = layer_weights(3, (6, 6, 0, 0))
    x = torch.randn(5, INPUTS)
    slots = [0, 1, 0, -1, 1]
    y = torch.zeros(5, sum(SLICES))
    accumulate(y, x, PackedLayer(weights, FIRST, plain_product), RowGroups(slots), 0.5)
    torch.testing.assert_close(y, 0.5 * row_by_row(x, weights, slots), rtol=1e-4, atol=1e-4)


def test_a_slot_that_was_written_again_is_packed_again_and_only_that_one() -> None:
    packed: list[tuple[int, ...]] = []

    def counted(matrix: torch.Tensor) -> Product:
        packed.append(tuple(matrix.shape))
        return plain_product(matrix)

    weights = layer_weights(4, (6, 6, 6, 6))
    layer = PackedLayer(weights, FIRST, counted)
    for a, b in zip(weights.a, weights.b, strict=True):
        a[2], b[2] = torch.randn(a[2].shape), torch.randn(b[2].shape)
    packed.clear()
    layer = PackedLayer(weights, (1, 1, 2, 1), counted, before=layer)
    assert len(packed) == 2  # its shrink and its expand
    slots = [0, 1, 2, 3, 2, 2, -1]
    x = torch.randn(len(slots), INPUTS)
    y = torch.zeros(len(slots), sum(SLICES))
    accumulate(y, x, layer, RowGroups(slots), 1.0)
    torch.testing.assert_close(y, row_by_row(x, weights, slots), rtol=1e-4, atol=1e-4)


def test_a_slot_that_was_emptied_adds_nothing() -> None:
    weights = layer_weights(5, (6, 6, 0, 0))
    layer = PackedLayer(weights, FIRST, plain_product)
    for a, b in zip(weights.a, weights.b, strict=True):
        a[0], b[0] = 0, 0
    layer = PackedLayer(weights, (2, 1, 1, 1), plain_product, before=layer)
    y = torch.zeros(2, sum(SLICES))
    accumulate(y, torch.randn(2, INPUTS), layer, RowGroups([0, 0]), 1.0)
    assert not y.any()


def test_a_mix_gives_the_same_before_and_after_all_slots_are_packed_together() -> None:
    weights = layer_weights(6, (6, 3, 6, 0))
    layer = PackedLayer(weights, FIRST, plain_product, patience=2)
    slots = [0, 1, -1, 2, 1]
    x = torch.randn(len(slots), INPUTS)
    for step in range(4):
        y = torch.zeros(len(slots), sum(SLICES))
        accumulate(y, x, layer, RowGroups(slots), 1.0)
        torch.testing.assert_close(y, row_by_row(x, weights, slots), rtol=1e-4, atol=1e-4, msg=f"step {step}")
    assert layer.all_slots() is not None
