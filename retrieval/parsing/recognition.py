"""Text in pictures by RapidOCR on ONNX Runtime. The only place that imports either.

The models lie in RapidOCR's package; none is ever downloaded. See ADR 12.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnxruntime  # noqa: F401 - so that its absence shows before the first page
import rapidocr
from PIL.Image import Image
from rapidocr.main import RapidOCR, RapidOCRError

from retrieval.parsing.layout import Corners, Found, is_tall, length, page_text

_MODELS = Path(rapidocr.__file__).parent / "models"
_LEGIBLE = 0.6
"""Mean probability of a line's characters below which it is taken for a pattern, not for text."""

_UPSIDE_DOWN = "180"


class Recogniser:
    """Models that find lines, tell their way up and read them; each is loaded when it is first needed."""

    def __init__(self, threads: int) -> None:
        """Look for them.

        Args:
            threads: of each model, as far as there are processors.

        Raises:
            ImportError: the package has not all of them.
        """
        cv2.setNumThreads(threads)
        self._engine = RapidOCR(params=_parameters(threads))

    def text(self, picture: Image) -> str:
        """Return the legible text of a page in reading order; empty if there is none."""
        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        try:
            cuttings, detected = self._engine.detect_and_crop(pixels, {})
        except RapidOCRError:  # its way to say that there is nothing
            return ""
        boxes = [_corners(box) for box in detected.boxes.tolist()]
        turned = _turned(boxes, self._engine.cls_and_rotate(cuttings)[1].cls_res)
        upright = [np.rot90(cut, 2) if over else cut for cut, over in zip(cuttings, turned, strict=True)]
        read = self._engine.recognize_txt(upright)
        found = [
            Found(words.strip(), corners, over)
            for corners, words, score, over in zip(boxes, read.txts, read.scores, turned, strict=True)
            if words.strip() and score >= _LEGIBLE
        ]
        return page_text(found)


def _corners(box: list[list[float]]) -> Corners:
    a, b, c, d = ((x, y) for x, y in box)
    return a, b, c, d


def _turned(boxes: Sequence[Corners], classes: Sequence[tuple[str, float]]) -> list[bool]:
    """Tell which lines stand on their head: all or none that lie the same way, since a single one deceives."""
    votes = {True: 0.0, False: 0.0}
    for box, (label, sure) in zip(boxes, classes, strict=True):
        votes[is_tall(box)] += sure * length(box) * (1 if label == _UPSIDE_DOWN else -1)
    return [votes[is_tall(box)] > 0 for box in boxes]


def _parameters(threads: int) -> dict[str, object]:
    return {
        "Global.log_level": "critical",
        "Global.use_vertical_padding": False,  # slender pictures come with margins
        "Det.model_path": _packaged("det"),
        "Cls.model_path": _packaged("cls"),
        "Rec.model_path": _packaged("rec"),
        "EngineConfig.onnxruntime.intra_op_num_threads": min(threads, os.cpu_count() or 1),
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def _packaged(task: str) -> str:
    """Return the path of the model for a task: with one, the library looks for no other and downloads none."""
    for model in _MODELS.glob(f"*_{task}_*.onnx"):
        return str(model)
    raise ImportError(f"The package rapidocr has no model for {task!r}.")
