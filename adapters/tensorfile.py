"""The header of a safetensors file, read with bounds and without any library that would load the weights."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidRequest

_MAX_HEADER = 100_000_000  # the bound of the format's own reader
_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}


class TensorFileDamaged(InvalidRequest):
    """The file is no whole safetensors file."""

    code = "weights_damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name!r} is no whole safetensors file: {reason}. Save or download it again.")


@dataclass(frozen=True, slots=True)
class TensorFile:
    """Where one tensor lies: its number format, shape, and byte range in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> dict[str, TensorFile]:
    """Return name → tensor of the safetensors file at `path`.

    Raises:
        TensorFileDamaged: the header is cut off, too long, not JSON, or does not fit the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise TensorFileDamaged(path, "it is shorter than its header")
        (length,) = struct.unpack("<Q", prefix)
        if length > min(_MAX_HEADER, size - 8):
            raise TensorFileDamaged(path, f"its header claims {length} bytes")
        raw = file.read(length)
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise TensorFileDamaged(path, "its header is not JSON") from error
    if not isinstance(entries, dict):
        raise TensorFileDamaged(path, "its header is not a JSON object")
    entries.pop("__metadata__", None)
    tensors = {str(name): _tensor(path, name, entry, 8 + length, size) for name, entry in entries.items()}
    _check_cover(path, tensors, 8 + length, size)
    return tensors


def _tensor(path: Path, name: str, entry: object, data: int, size: int) -> TensorFile:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]}:
            whole = all(isinstance(length, int) and length >= 0 for length in shape)
            if whole and dtype in _SIZES and 0 <= start <= end <= size - data:
                lengths = tuple(int(length) for length in shape)
                if end - start == math.prod(lengths) * _SIZES[dtype]:
                    return TensorFile(dtype, lengths, data + start, data + end)
    raise TensorFileDamaged(path, f"the entry of {name!r} does not fit the file")


def _check_cover(path: Path, tensors: dict[str, TensorFile], data: int, size: int) -> None:
    """See that the tensors lie end to end and fill the file: no overlap, no hidden bytes."""
    place = data
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != place:
            raise TensorFileDamaged(path, "its tensors overlap or leave gaps")
        place = tensor.end
    if place != size:
        raise TensorFileDamaged(path, f"it has {size - place} bytes that belong to no tensor")
