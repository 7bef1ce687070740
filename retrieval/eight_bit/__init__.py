"""Sentence encoders in eight bits on the processor. The face; light to import.

A model folder is read (`encoder`), turned into an ONNX graph (`graph`, `quantization`) by a process of its own
(`building`, `samples`), kept as a file (`kept_graph`) and run by ONNX Runtime (`model`). Knows texts and vectors;
never torch, and nothing of stores.
"""

from retrieval.eight_bit.encoder import UnfitError
from retrieval.eight_bit.model import EightBitModel

__all__ = ["EightBitModel", "UnfitError"]
