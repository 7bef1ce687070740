"""`python -m retrieval.eight_bit.building FOLDER PARENT`: a model folder in, a checked graph in eight bits out.

A process of its own, since it holds the model twice in float32 and loads a library that nobody needs afterwards.
It dies with the process PARENT. The graph goes to stdout; with exit code 3, why the model cannot be had in eight
bits.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.eight_bit.encoder import Array, Encoder, UnfitError
from retrieval.eight_bit.graph import IDS, VECTOR, Largest, activations, graph
from retrieval.eight_bit.model import UNFIT, Session, session, tokenizer
from retrieval.eight_bit.samples import CHECKED, MEASURED

LEAST_MEAN, LEAST = 0.998, 0.995
"""Cosine of a text's vector with that in float32: on the mean, and for each text."""
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Build, check, write; return the exit code."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(arguments[1]):  # it died before that
        return 1
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints goes to the log
    try:
        built, code = build(Encoder.read(Path(arguments[0]))), 0
    except UnfitError as error:
        built, code = str(error).encode(), UNFIT
    with os.fdopen(out, "wb") as stream:
        stream.write(built)
    return code


def build(encoder: Encoder) -> bytes:
    """Return a graph in eight bits whose vectors are those of the model.

    Raises:
        UnfitError: the model is of another kind, or its vectors in eight bits are not good enough.
    """
    tensors = encoder.tensors()
    words = tokenizer(encoder)
    measured, checked = ([text.ids for text in words.encode_batch(list(part))] for part in (MEASURED, CHECKED))
    if not words.encode("").ids:
        raise UnfitError("has a tokenizer that sets no marks around a text")
    exact = session(graph(encoder, tensors).SerializeToString(), 1)
    right = _vectors(exact, checked)
    built: bytes = graph(encoder, tensors, _largest(encoder, exact, measured)).SerializeToString()
    cosines = (right * _vectors(session(built, 1), checked)).sum(axis=1)
    if not (cosines.mean() >= LEAST_MEAN and cosines.min() >= LEAST):
        raise UnfitError(
            f"gives vectors in eight bits with a cosine of {cosines.mean():.4f} on the mean and "
            f"{cosines.min():.4f} at least with those in float32; wanted are {LEAST_MEAN} and {LEAST}"
        )
    return built


def _largest(encoder: Encoder, exact: Session, texts: Sequence[Sequence[int]]) -> Largest:
    names = activations(encoder)
    found: dict[str, Array] = {}
    for ids in texts:
        for name, values in zip(names, exact.run(names, {IDS: np.array([ids], np.int64)}), strict=True):
            here = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            found[name] = np.maximum(found[name], here) if name in found else here
    return found


def _vectors(running: Session, texts: Sequence[Sequence[int]]) -> Array:
    return np.concatenate([running.run([VECTOR], {IDS: np.array([ids], np.int64)})[0] for ids in texts])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
