"""The forms in which services echo a secret, and making them unreadable. Knows no secret by itself."""

import base64
import html
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"


def hidden(text: str, values: Iterable[str]) -> str:
    """Return `text` with each of `values`, in every form that is known here, made unreadable."""
    for value in values:
        for form in _forms(value):
            text = text.replace(form, HIDDEN)
    return text


@lru_cache(maxsize=512)
def _forms(value: str) -> tuple[str, ...]:
    """Return the forms of a secret, the longest first, so that none leaves the rest of another behind."""
    plain = json.dumps(value)[1:-1]
    forms = {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        quote(quote(value, safe=""), safe=""),  # a URL inside of a URL
        _lower_escapes(quote(value, safe="")),
        plain,
        plain.replace("/", "\\/"),
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(plain)[1:-1],  # JSON inside of JSON
        html.escape(value),
        *_base64(value),
    }
    return tuple(sorted(filter(None, forms), key=len, reverse=True))


def _lower_escapes(quoted: str) -> str:
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _base64(value: str) -> Iterator[str]:
    """Yield what base64 makes of a secret: alone, and in the middle of other bytes, at each of three positions."""
    raw = value.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(raw).decode()
        yield alone
        yield alone.rstrip("=")
        yield quote(alone, safe="")
        for before in range(3):
            around = encode(b"\0" * before + raw).decode()
            first, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6  # characters that hold its bits alone
            yield around[first:end]
