"""A writer of scans: words drawn as pixels, as a picture or on the pages of a PDF, in every state of health."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

A4 = (1240, 1754)
"""Pixels of a page at 150 dots an inch."""

_MARGIN = 80


def page(
    text: str, *, size: tuple[int, int] = (900, 420), left: int = _MARGIN, font: int = 32, paper: int = 255
) -> Image.Image:
    """Return a page on which `text` is drawn line by line, from `left` on."""
    image = Image.new("L", size, paper)
    draw_on(image, text, left=left, font=font)
    return image


def draw_on(image: Image.Image, text: str, *, left: int = _MARGIN, top: int = _MARGIN, font: int = 32) -> None:
    """Draw further lines on a page."""
    letters = ImageFont.load_default(font)
    for number, line in enumerate(text.splitlines()):
        ImageDraw.Draw(image).text((left, top + number * font * 3 // 2), line, fill=0, font=letters)


def picture(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the page as a file of this kind."""
    stream = io.BytesIO()
    image.copy().save(stream, kind, **options)  # else what a PNG was saved with would go into a TIFF
    return stream.getvalue()


def tiff(pages: Sequence[Image.Image]) -> bytes:
    """Return a fax: pages of a TIFF."""
    return picture(pages[0], "TIFF", save_all=True, append_images=[page.copy() for page in pages[1:]])
