"""A BERT encoder as an ONNX graph: one text in, one unit vector out. Knows shapes and operators, never a file.

The operators of the domain `com.microsoft` are ONNX Runtime's own (github.com/microsoft/onnxruntime,
docs/ContribOperators.md). A graph reads one text alone: there is nothing to pad and nothing to mask, and the
vector of a text does not depend on its company.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from retrieval.eight_bit.encoder import Array, Encoder, Pooling
from retrieval.eight_bit.quantization import quantized

IDS, VECTOR = "ids", "vector"
_RUNTIME = "com.microsoft"
_OPSETS = {"": 21, _RUNTIME: 1}
_IR_VERSION = 10

Largest = Mapping[str, Array]
"""Name of an activation → the largest value that each of its channels took."""


def activations(encoder: Encoder) -> list[str]:
    """Return the names of what is multiplied with matrices, which a graph in float32 gives out, too."""
    return [
        f"{layer}.{part}" for layer in range(encoder.layers) for part in ("read", "attended", "seen", "raised")
    ]


def graph(encoder: Encoder, tensors: Mapping[str, Array], largest: Largest | None = None) -> ModelProto:
    """Return the graph; in float32 without `largest`, else in eight bits."""
    return _Writer(encoder, tensors, largest).written()


class _Writer:
    """Writes the nodes down, one after the other."""

    def __init__(self, encoder: Encoder, tensors: Mapping[str, Array], largest: Largest | None) -> None:
        self._encoder = encoder
        self._tensors = tensors
        self._largest = largest
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def written(self) -> ModelProto:
        tokens = self._embedded()
        for layer in range(self._encoder.layers):
            tokens = self._layer(layer, tokens)
        self._node("LpNormalization", [self._pooled(tokens)], name=VECTOR, axis=-1, p=2)
        names = [VECTOR, *(activations(self._encoder) if self._largest is None else [])]
        made = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(IDS, TensorProto.INT64, [1, "tokens"])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
            self._constants,
        )
        versions = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        return helper.make_model(made, opset_imports=versions, ir_version=_IR_VERSION)

    def _embedded(self) -> str:
        tensor = self._tensors
        places = (
            tensor["embeddings.position_embeddings.weight"] + tensor["embeddings.token_type_embeddings.weight"][0]
        )
        words = self._node("Gather", [self._constant(tensor["embeddings.word_embeddings.weight"]), IDS])
        count = self._node("Shape", [IDS], start=1, end=2)
        here = self._node("Slice", [self._constant(places), self._constant(np.array([0])), count])
        weights = self._norm("embeddings.LayerNorm")
        return self._node(
            "LayerNormalization", [self._node("Add", [words, here]), *weights], epsilon=self._encoder.epsilon
        )

    def _layer(self, number: int, tokens: str) -> str:
        """Attention, then the two wide matrices, each added to what went in and normalised after (post-LN)."""
        at = f"encoder.layer.{number}"
        read = self._named(f"{number}.read", tokens)
        heads = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        wide = self._linear(f"{number}.read", read, heads)
        query, key, value = self._nodes_of("Split", [wide], 3, axis=-1, num_outputs=3)
        attended = self._node(
            "MultiHeadAttention",
            [query, key, value],
            name=f"{number}.attended",
            domain=_RUNTIME,
            num_heads=self._encoder.heads,
        )
        mixed = self._linear(f"{number}.attended", attended, [f"{at}.attention.output.dense"])
        seen = self._added(mixed, read, f"{at}.attention.output.LayerNorm", f"{number}.seen")
        raised = self._node(
            "Gelu",
            [self._linear(f"{number}.seen", seen, [f"{at}.intermediate.dense"])],
            name=f"{number}.raised",
            domain=_RUNTIME,
        )
        lowered = self._linear(f"{number}.raised", raised, [f"{at}.output.dense"])
        return self._added(lowered, seen, f"{at}.output.LayerNorm")

    def _linear(self, activation: str, source: str, parts: Sequence[str]) -> str:
        """Multiply with matrices that read the same, side by side as one."""
        weights = np.concatenate([self._tensors[f"{part}.weight"].T for part in parts], axis=1)
        bias = self._constant(np.concatenate([self._tensors[f"{part}.bias"] for part in parts]))
        if self._largest is None:
            return self._node("Add", [self._node("MatMul", [source, self._constant(weights)]), bias])
        linear = quantized(weights, self._largest[activation])
        product = self._node(
            "DynamicQuantizeMatMul",
            [
                self._node("Mul", [source, self._constant(linear.factors)]),
                self._constant(linear.eight),
                self._constant(linear.scales),
                "",
                bias,
            ],
            domain=_RUNTIME,
        )
        if not len(linear.outliers):
            return product
        exact = self._node("Gather", [source, self._constant(linear.outliers)], axis=-1)
        return self._node("Add", [product, self._node("MatMul", [exact, self._constant(linear.kept)])])

    def _added(self, one: str, other: str, norm: str, name: str = "") -> str:
        return self._node(
            "SkipLayerNormalization",
            [one, other, *self._norm(norm)],
            name=name,
            domain=_RUNTIME,
            epsilon=self._encoder.epsilon,
        )

    def _pooled(self, tokens: str) -> str:
        if self._encoder.pooling is Pooling.CLS:
            return self._node("Gather", [tokens, self._constant(np.array(0))], axis=1)
        return self._node("ReduceMean", [tokens, self._constant(np.array([1]))], keepdims=0)

    def _norm(self, name: str) -> list[str]:
        return [self._constant(self._tensors[f"{name}.{kind}"]) for kind in ("weight", "bias")]

    def _named(self, name: str, source: str) -> str:
        return self._node("Identity", [source], name=name)

    def _node(self, kind: str, inputs: Sequence[str], *, name: str = "", domain: str = "", **given: object) -> str:
        output = name or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **given))
        return output

    def _nodes_of(self, kind: str, inputs: Sequence[str], count: int, **given: object) -> list[str]:
        outputs = [f"{kind}.{len(self._nodes)}.{number}" for number in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, outputs, **given))
        return outputs

    def _constant(self, values: np.ndarray) -> str:
        name = f"constant.{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.require(values, requirements="C"), name))
        return name
