"""A writer of small PDF files (ISO 32000-1, section 7.5), so that tests have real ones in every state.

It writes what it is told, also what a viewer would refuse.
"""

import zlib
from collections.abc import Mapping, Sequence

from PIL import Image

_LOCK = f"<< /Filter /Standard /V 1 /R 2 /O <{'5a' * 32}> /U <{'a5' * 32}> /P -4 >>"
"""Keys that no password opens: a reader that tries the empty one is asked for another."""


def pdf(
    pages: Sequence[str],
    *,
    outline: Mapping[str, int] | None = None,
    pictured: Sequence[int] = (),
    scans: Mapping[int, Image.Image] | None = None,
    encrypted: bool = False,
    repeated: int = 1,
) -> bytes:
    """Return a PDF.

    Args:
        pages: the lines of each, in Helvetica.
        outline: title → page number, one level.
        pictured: numbers of pages with an image of one pixel on them.
        scans: page number → a picture in grey, as wide as the page, below its lines.
        encrypted: whether it asks for a password.
        repeated: how often the tree of pages names each page.
    """
    contents = [_shown(text, picture=number in pictured) for number, text in enumerate(pages, 1)]
    for number, image in (scans or {}).items():
        height = min(842, 595 * image.height // image.width)
        contents[number - 1] = f"q 595 0 0 {height} 0 {842 - height} cm /S Do Q ".encode() + contents[number - 1]
    return pdf_of_streams(contents, outline=outline or {}, scans=scans, encrypted=encrypted, repeated=repeated)


def pdf_of_streams(
    contents: Sequence[bytes],
    *,
    outline: Mapping[str, int] | None = None,
    scans: Mapping[int, Image.Image] | None = None,
    encrypted: bool = False,
    repeated: int = 1,
) -> bytes:
    """Return a PDF whose pages draw what these content streams say, `/S` being the scan of a page."""
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(contents)) for _ in range(repeated))
    first = 5 + 2 * len(contents)
    titles = list((outline or {}).items())
    places = {number: first + len(titles) + place for place, number in enumerate(scans or {}, 1)}
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /Outlines {first} 0 R >>".encode(),
        f"<< /Type /Pages /Count {len(contents) * repeated} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        _stream(b"\x7f", _sized(1, 1)),
    ]
    for number, content in enumerate(contents):
        scan = f"/S {places[number + 1]} 0 R" if number + 1 in places else ""
        resources = f"/Resources << /Font << /F 3 0 R >> /XObject << /I 4 0 R {scan} >> >>"
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {resources} /Contents {6 + 2 * number} 0 R >>"
        )
        objects += [page.encode(), _stream(content)]
    ends = f"/First {first + 1} 0 R /Last {first + len(titles)} 0 R" if titles else ""
    objects.append(f"<< /Type /Outlines /Count {len(titles)} {ends} >>".encode())
    for number, (title, page_number) in enumerate(titles, 1):
        links = f"/Next {first + number + 1} 0 R" if number < len(titles) else ""
        links += f" /Prev {first + number - 1} 0 R" if number > 1 else ""
        target = f"[{3 + 2 * page_number} 0 R /Fit]"
        objects.append(f"<< /Title ({title}) /Parent {first} 0 R {links} /Dest {target} >>".encode())
    objects += [_stream(image.tobytes(), _sized(*image.size)) for image in (scans or {}).values()]
    return _file(objects, f"/Encrypt {_LOCK} /ID [<00> <00>]" if encrypted else "")


def _shown(text: str, *, picture: bool) -> bytes:
    lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.splitlines()]
    words = " ".join(f"({line}) Tj T*" for line in lines)
    image = "q 400 0 0 400 72 72 cm /I Do Q" if picture else ""
    return f"BT /F 12 Tf 14 TL 72 760 Td {words} ET {image}".encode("cp1252")


def _sized(width: int, height: int) -> str:
    size = f"/Width {width} /Height {height}"
    return f"/Type /XObject /Subtype /Image {size} /ColorSpace /DeviceGray /BitsPerComponent 8"


def _stream(content: bytes, entries: str = "") -> bytes:
    packed = zlib.compress(content)
    head = f"<< {entries} /Length {len(packed)} /Filter /FlateDecode >>\nstream\n".encode()
    return head + packed + b"\nendstream"


def _file(objects: Sequence[bytes], trailer: str) -> bytes:
    body = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode() + end.encode()
