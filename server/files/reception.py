"""Taking one multipart body in: the file goes to disk as it comes, the other fields stay small.

Memory is bounded by the size of a network chunk, whatever the size of the file.
"""

from dataclasses import dataclass, field

import anyio
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from core.blobs import Blobs, Draft
from core.errors import InvalidRequest, TooLarge, UpstreamFailed

_MAX_FIELD = 4_096
_MAX_FIELDS = 16
_MAX_HEADER = 4_096
_AT_ONCE = 1 << 20


@dataclass(slots=True)
class Received:
    """A multipart body: one file on disk, and fields by name."""

    draft: Draft
    filename: str
    fields: dict[str, str]

    def allow(self, *names: str) -> None:
        """Refuse fields that nobody reads.

        Raises:
            InvalidRequest: there is one beside `names`.
        """
        if unknown := sorted(set(self.fields) - set(names)):
            name = unknown[0][:64]
            raise InvalidRequest(
                f"Unknown parameter: {name!r}. Leave it out.", code="unknown_parameter", param=name
            )


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    value: bytearray = field(default_factory=bytearray)


async def receive(request: Request, blobs: Blobs, *, max_bytes: int) -> Received:
    """Return the body of `request`; the caller keeps or discards the draft.

    Args:
        request: of the type multipart/form-data, with one file in the field `file`.
        blobs: where the bytes go.
        max_bytes: largest file.

    Raises:
        InvalidRequest: the body is no such form.
        TooLarge: the file is.
        UpstreamFailed: the client left in the middle of it.
        Unavailable: the disk is full.
    """
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data" or b"boundary" not in options:
        raise InvalidRequest(
            "Files come as multipart/form-data, the file in the field 'file'.",
            code="unsupported_media_type",
        )
    draft = await anyio.to_thread.run_sync(blobs.draft)
    try:
        form = _Form(options[b"boundary"])
        async for chunk in request.stream():
            form.feed(chunk)
            if len(form.waiting) >= _AT_ONCE:
                await _drain(form, draft, max_bytes)
        await _drain(form, draft, max_bytes)
        form.close()
        if form.filename is None:
            raise InvalidRequest(
                "Missing required parameter: 'file'.", code="missing_required_parameter", param="file"
            )
        await anyio.to_thread.run_sync(draft.finish)
    except ClientDisconnect as error:
        draft.discard()
        raise UpstreamFailed("The client left before its request was whole.", code="client_gone") from error
    except BaseException:
        draft.discard()
        raise
    return Received(draft, form.filename, form.fields)


async def _drain(form: "_Form", draft: Draft, max_bytes: int) -> None:
    data, form.waiting = bytes(form.waiting), bytearray()
    if draft.size + len(data) > max_bytes:
        raise TooLarge(
            f"The file is larger than {max_bytes} bytes. Split it, or raise REPERTORY_MAX_FILE_BYTES.",
            code="file_too_large",
            param="file",
        )
    if data:
        await anyio.to_thread.run_sync(draft.write, data)


class _Form:
    """The parts of a body as they come; bytes of the file gather in `waiting` until they are taken."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.waiting = bytearray()
        self._ended = False
        self._part = _Part()
        self._header = (bytearray(), bytearray())
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            InvalidRequest: they are no part of a form.
        """
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise _broken(str(error)) from error

    def close(self) -> None:
        """Check that the form is whole.

        Raises:
            InvalidRequest: it broke off.
        """
        if not self._ended:
            raise _broken("it ends before its last boundary")

    def _begin(self) -> None:
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])
        self._check_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])
        self._check_header()

    def _check_header(self) -> None:
        if sum(map(len, self._header)) > _MAX_HEADER:
            raise _broken("a header of a part is too long")

    def _header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.decode("latin-1").lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition"))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self._part.filename = _plain(options[b"filename"].decode("utf-8", "replace"))
        if self._part.filename is not None and (self._part.name != "file" or self.filename is not None):
            raise InvalidRequest(
                "Send one file, in the field 'file'.", code="invalid_value", param=self._part.name or "file"
            )
        if self._part.filename is not None:
            self.filename = self._part.filename
        elif len(self.fields) == _MAX_FIELDS:
            raise _broken(f"it has more than {_MAX_FIELDS} fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.filename is not None:
            self.waiting += data[start:end]
            return
        self._part.value += data[start:end]
        if len(self._part.value) > _MAX_FIELD:
            raise InvalidRequest(
                f"The field {self._part.name[:64]!r} is longer than {_MAX_FIELD} bytes.",
                code="invalid_value",
                param=self._part.name[:64],
            )

    def _end(self) -> None:
        if self._part.filename is None:
            self.fields[self._part.name] = self._part.value.decode("utf-8", "replace")

    def _finish(self) -> None:
        self._ended = True


def _plain(name: str) -> str:
    """Return the last part of a path, without control characters, at most 255 characters that keep the suffix."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(character for character in last if character.isprintable()).strip() or "file"
    stem, dot, suffix = plain.rpartition(".")
    if len(plain) <= 255 or not dot or len(suffix) > 20:
        return plain[:255]
    return f"{stem[: 254 - len(suffix)]}.{suffix}"


def _broken(reason: str) -> InvalidRequest:
    return InvalidRequest(f"The body is no multipart form: {reason}.", code="invalid_multipart")
