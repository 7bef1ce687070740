"""PNG, JPEG, TIFF, WebP and BMP by Pillow, as pictures whose text is still to be recognised.

Nothing is unpacked before its size is known. Knows no recognition.
"""

import io
from collections.abc import Callable

from PIL import Image, ImageOps, UnidentifiedImageError

from retrieval.parsing import pixels
from retrieval.parsing.document import Page, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

Pictures = Callable[[int], Image.Image]
"""Page number → the page, upright as far as its file says so, in RGB, no larger than recognition takes it."""

_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_PAGED = "TIFF"  # elsewhere a further picture is a preview or the next moment of an animation


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the pages of a picture without their text; a TIFF may have several.

    Raises:
        FileRefusedError: it is none, has too many pages, or more pixels than may be unpacked.
    """
    with _opened(content, limits) as image:
        count: int = getattr(image, "n_frames", 1) if image.format == _PAGED else 1
        if count > limits.pages:
            raise FileRefusedError(f"It has {count:,} pages, more than {limits.pages:,}. Split it.")
        for index in range(1, count):
            image.seek(index)
            _check_size(image, limits)
    numbers = tuple(range(1, count + 1))
    pages = tuple(Page(0, 0, number) for number in numbers) if count > 1 else ()
    return ParsedDocument("", markdown=False, pages=pages, scanned=numbers)


def pictures(content: bytes, limits: Limits) -> Pictures:
    """Return what unpacks each page.

    Raises:
        FileRefusedError: it is none, or has more pixels than may be unpacked.
    """
    image = _opened(content, limits)

    def picture(number: int) -> Image.Image:
        image.seek(number - 1)
        _check_size(image, limits)
        image.draft("RGB", pixels.fitted(*image.size))  # a JPEG is unpacked at a fraction of its size
        return reduced(_opaque(ImageOps.exif_transpose(image)))

    return picture


def reduced(image: Image.Image) -> Image.Image:
    """Return the picture within the bounds of recognition."""
    size = pixels.fitted(*image.size)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BOX)
    page = pixels.padded(*size)
    return image if page == size else ImageOps.pad(image, page, color="white", centering=(0, 0))


def _opened(content: bytes, limits: Limits) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise FileRefusedError(
            "It is damaged, or no picture of a kind that is read. Open it and save it as PNG."
        ) from error
    except Image.DecompressionBombError as error:
        raise FileRefusedError(_too_large("more pixels", limits)) from error
    _check_size(image, limits)
    return image


def _check_size(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.picture_pixels:
        raise FileRefusedError(_too_large(f"{width:,} × {height:,} pixels, more", limits))


def _too_large(size: str, limits: Limits) -> str:
    return f"It unpacks to {size} than {limits.picture_pixels / 1e6:g} million. Save it smaller."


def _opaque(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, on white where one can see through it."""
    if image.mode.startswith("I"):  # 16 bits of grey, of which a plain conversion would keep the darkest 8
        return image.convert("I").point(lambda grey: grey * (1 / 256)).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    seen = image.convert("RGBA")
    white = Image.new("RGB", seen.size, "white")
    white.paste(seen, mask=seen)
    return white
