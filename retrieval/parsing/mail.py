"""EML by the standard library: subject, people, date and body; attachments are named, not read."""

from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from retrieval.parsing import markdown, web
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_SHOWN = ("From", "To", "Cc", "Date")


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the text of a message, its plain part if it has one.

    Raises:
        FileRefusedError: it is no message, or too long.
    """
    message: Message = message_from_bytes(content, policy=policy.default)
    if not isinstance(message, EmailMessage) or not any(name in message for name in ("From", "Subject", "Date")):
        raise FileRefusedError(
            "It is no e-mail: it has neither sender, subject nor date. Save the message as .eml."
        )
    assembly = Assembly(limits.text_characters)
    assembly.add(markdown.heading(1, str(message.get("Subject", "")) or "Message without a subject"))
    shown = [f"{name}: {' '.join(str(message[name]).split())}" for name in _SHOWN if name in message]
    assembly.add(markdown.escaped("\n".join(shown)))
    if (body := message.get_body(preferencelist=("plain", "html"))) is not None:
        assembly.add(_words(body, limits))
    names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    if names:
        assembly.add(markdown.escaped(f"Attachments (not read): {', '.join(names)}"))
    warning = f"{len(names)} attachment{'s were' if len(names) > 1 else ' was'} not read." if names else ""
    return assembly.document(markdown=True, warning=warning)


def _words(body: Message, limits: Limits) -> str:
    payload = body.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        text = content.decode(body.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset that nobody knows
        text = content.decode("utf-8", "replace")
    if body.get_content_type() != "text/html":
        return markdown.escaped(text)
    return web.parse(text.encode("utf-8", "replace"), limits).text if text.strip() else ""
