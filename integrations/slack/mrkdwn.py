"""Between Markdown, as models write it, and what Slack reads. Pure.

Slack's own format, mrkdwn, follows "Formatting text for app surfaces": `*bold*`, `_italic_`, `~struck~`,
`<url|text>`, and `&`, `<`, `>` as control characters. A model can mention nobody: what would be a mention
(`<@U…>`, `<!channel>`) is broken in both formats.
"""

import re

_FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n.*?(?:^\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\((https?://[^\s)]+)\)")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+", re.MULTILINE)
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*(?![\w*])")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_TABLE = re.compile(r"(?:^[ \t]*\|.*\|[ \t]*(?:\n|\Z)){2,}", re.MULTILINE)
_CONTROL = re.compile(r"<(?=[!@#])")
_BOLD_MARK, _KEPT = "\ue000", "\ue001"
_MENTION = re.compile(r"<([@#!])([^>|]+)(?:\|([^>]*))?>")
_ADDRESS = re.compile(r"<((?:https?|mailto)[^>|]+)(?:\|([^>]*))?>")
_JOINER = "\u2060"


def mrkdwn(markdown: str) -> str:
    """Return Markdown in Slack's own format."""
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"{_KEPT}{len(kept) - 1}{_KEPT}"

    text = markdown.replace(_BOLD_MARK, "").replace(_KEPT, "")
    text = _FENCE.sub(lambda found: keep(_plain_fence(found[0])), text)
    text = _TABLE.sub(lambda found: keep(f"```\n{escaped(found[0].rstrip())}\n```") + "\n", text)
    text = _SPAN.sub(lambda found: keep(escaped(found[0])), text)
    text = _LINK.sub(lambda found: keep(f"<{_address(found[2])}|{_label(found[1])}>"), text)
    text = _quotes_kept(escaped(text))
    text = _HEADING.sub(_bold_line, text)
    text = _BULLET.sub(r"\1• ", text)
    text = _BOLD.sub(rf"{_BOLD_MARK}\2{_BOLD_MARK}", text)
    text = _ITALIC.sub(r"_\1_", text)
    text = _STRUCK.sub(r"~\1~", text).replace(_BOLD_MARK, "*")
    for number in reversed(range(len(kept))):  # a table may hold spans, never the other way round
        text = text.replace(f"{_KEPT}{number}{_KEPT}", kept[number])
    return text


def harmless(markdown: str) -> str:
    """Return Markdown that mentions nobody, for the places where Slack reads Markdown itself."""
    return _CONTROL.sub(f"<{_JOINER}", markdown)


def escaped(text: str) -> str:
    """Return text without control characters of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def said(text: str, bot: str) -> str:
    """Return what a person wrote, from Slack's format, without mentions of the bot."""
    text = re.sub(rf"<@{re.escape(bot)}(?:\|[^>]*)?>", "", text)
    text = _MENTION.sub(_spelled, text)
    text = _ADDRESS.sub(lambda found: f"{found[2]} ({found[1]})" if found[2] else found[1], text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return text.replace(_JOINER, "").strip()


def _spelled(found: re.Match[str]) -> str:
    mark, word, label = found[1], found[2], found[3]
    return f"{'@' if mark == '!' else mark}{label or word.partition('^')[0]}"


def _plain_fence(block: str) -> str:
    """Return a code block as Slack knows it: three backticks and no language."""
    body = block.partition("\n")[2]
    lines = body.rstrip("\n").split("\n")
    if lines and re.fullmatch(r"(?:```+|~~~+)[ \t]*", lines[-1]):
        lines.pop()
    return f"```\n{escaped(chr(10).join(lines))}\n```"


def _quotes_kept(text: str) -> str:
    return re.sub(r"^((?:&gt;[ \t]?)+)", lambda found: found[1].replace("&gt;", ">"), text, flags=re.MULTILINE)


def _bold_line(found: re.Match[str]) -> str:
    return _BOLD_MARK + _BOLD.sub(r"\2", found[1]) + _BOLD_MARK


def _address(url: str) -> str:
    return escaped(url).replace("|", "%7C")


def _label(text: str) -> str:
    return escaped(text).replace("|", "¦")
