"""Weights and activations in eight bits: what is rounded, how far, and what is not. Knows arrays, never ONNX.

Activations become 0 … 255 with one scale a text. The few channels whose values are far larger than the others'
(the "outlier features" of LLM.int8(), arXiv 2208.07339) would make that scale useless: they are multiplied in
float32 beside it. The others are first brought nearer to each other, at the expense of the weights' rows
(SmoothQuant, arXiv 2211.10438).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrieval.eight_bit.encoder import Array

OUTLIERS = 8
"""Channels of an activation that are kept in float32, at most."""

_FAR = 1.5
"""A channel is kept if its largest value is so many times that of the largest that is not."""

_LARGEST = 127
_STRENGTH = 0.5
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix in eight bits: `x @ weights` is `(x * factors) @ (eight * scales) + x[outliers] @ kept`.

    Attributes:
        eight: int8, (inputs, outputs); rows of outliers are 0.
        scales: of each output.
        factors: by which inputs are multiplied before they are rounded; 0 for outliers.
        outliers: the inputs that are kept; may be none.
        kept: their rows, in float32.
    """

    eight: npt.NDArray[np.int8]
    scales: Array
    factors: Array
    outliers: npt.NDArray[np.int64]
    kept: Array


def quantized(weights: Array, largest: Array) -> Linear:
    """Round a matrix (inputs, outputs), given the largest value that each input took."""
    far = np.argsort(-largest, kind="stable")[: OUTLIERS + 1]
    usual = largest[far[-1]]
    outliers = np.sort(far[:-1][largest[far[:-1]] > _FAR * usual]).astype(np.int64)
    reach = np.maximum(largest, _LEAST) ** _STRENGTH / np.maximum(np.abs(weights).max(1), _LEAST) ** (
        1 - _STRENGTH
    )
    factors = (np.exp(np.log(reach).mean()) / reach).astype(np.float32)
    rows = weights / factors[:, None]
    rows[outliers] = 0
    factors[outliers] = 0
    scales = _scales(rows)
    eight = np.clip(np.rint(rows / scales), -_LARGEST, _LARGEST).astype(np.int8)
    return Linear(eight, scales, factors, outliers, weights[outliers])


def _scales(rows: Array) -> Array:
    """Return the smallest scale of each column with which no processor loses anything.

    Without VNNI, a processor multiplies two neighbours at once and adds them in 16 bits, which must hold 255 times
    the two weights. So two of the same sign may not exceed 128 together; one alone may be 127.
    """
    padded = np.vstack([rows, np.zeros((len(rows) % 2, rows.shape[1]), np.float32)])
    first, second = padded[0::2], padded[1::2]
    together = np.maximum(
        (np.maximum(first, 0) + np.maximum(second, 0)).max(0),
        (np.maximum(-first, 0) + np.maximum(-second, 0)).max(0),
    )
    return np.asarray(np.maximum(together, _LEAST) / _LARGEST, np.float32)
