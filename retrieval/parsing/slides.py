"""PPTX by python-pptx: a page a slide, headed by its title, with its notes. The only place that imports pptx."""

from collections.abc import Iterable, Iterator

import pptx
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from retrieval.parsing import archive, markdown
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the text of a presentation's slides; hidden ones are left out.

    Raises:
        FileRefusedError: it is none, a bomb, too long, or empty.
    """
    presentation = pptx.Presentation(archive.checked(content, "pptx", limits))
    if len(presentation.slides) > limits.pages:
        raise FileRefusedError(
            f"It has {len(presentation.slides):,} slides, more than {limits.pages:,}. Split it."
        )
    assembly = Assembly(limits.text_characters)
    hidden = 0
    for number, slide in enumerate(presentation.slides, 1):
        if slide._element.get("show") in ("0", "false"):
            hidden += 1
        else:
            assembly.add(list(_lines(slide)), page=number)
    warning = f"{hidden} hidden slide{'s were' if hidden > 1 else ' was'} left out." if hidden else ""
    return assembly.document(markdown=True, warning=warning)


def _lines(slide: Slide) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None:
        yield markdown.heading(2, title.text_frame.text)
    named = title.shape_id if title is not None else None
    yield from _shapes(shape for shape in slide.shapes if shape.shape_id != named)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None and notes.text.strip():
        yield markdown.escaped(f"Notes: {notes.text}")


def _shapes(shapes: Iterable[BaseShape]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shapes(shape.shapes)
        elif isinstance(shape, GraphicFrame) and shape.has_table:
            yield from markdown.rows([cell.text for cell in row.cells] for row in shape.table.rows)
        elif shape.has_text_frame and (words := shape.text_frame.text).strip():  # type: ignore[attr-defined]
            yield markdown.escaped(words.replace("\v", "\n"))
