"""Citation markers in a streamed answer: `[1]`, `[1][2]`, `[1, 2]`.

Works character by character, so that the cut of the stream can make no difference. Knows how many passages
there are, not what they say.

A valid marker stays in the text and becomes citations. One that names no passage is taken out together with
the space before it. Left alone are brackets inside code (fences, backticks), links such as `[1](url)`, and
indexes such as `a[0]`: a bracket right after a word is a marker only if the word is made of three letters or
more and the number is valid.
"""

import re

from retrieval.citations import Citation
from retrieval.prose import CodeTracker

_MARKER = re.compile(r"\[ ?\d{1,4}(?: ?, ?\d{1,4})* ?\]")
_MARKER_CHARACTERS = frozenset("0123456789, ]")
_LONGEST_MARKER = 64
_OPEN_BRACKET = re.compile(r"\[[\d, ]*\Z")
_WORD_BEFORE = re.compile(r"\w+\Z")
_SHORTEST_WORD = 3
_SPACES = " \t"
_CLOSING = frozenset(".,;:!?)\n")
_MEMORY = 40


class MarkerFilter:
    """Checks the markers of one answer while it streams.

    Attributes:
        citations: what the markers so far say; their offsets are those of the text that was handed out.
    """

    def __init__(self, passage_count: int) -> None:
        self.citations: list[Citation] = []
        self._count = passage_count
        self._code = CodeTracker()
        self._ready: list[str] = []
        self._position = 0
        self._before = ""  # the last characters that were handed out
        self._after_marker = False
        self._spaces = ""  # held back: they go if an invalid marker follows
        self._bracket = ""  # held back: it may become a marker
        self._gap = False  # an invalid marker was just taken out
        self._swallowing = False  # it stood inside another bracket, whose rest must not become a marker

    def feed(self, text: str) -> str:
        """Take a piece of the answer; return what can be sent on now."""
        for character in text:
            self._step(character)
        return self._drain()

    def finish(self) -> str:
        """Take the end of the answer; return what was still held back."""
        self._settle()
        if not self._gap:
            self._emit(self._spaces)
        self._spaces = ""
        return self._drain()

    def _step(self, character: str) -> None:
        self._code.see(character)
        if self._swallowing and character in _MARKER_CHARACTERS:
            self._swallowing = character != "]"
            return
        self._swallowing = False
        if self._bracket and self._goes_on(character):
            self._bracket += character
            return
        if self._bracket:
            self._settle(link=character == "(")
        if self._code.inside:
            self._pass(character)
        elif character in _SPACES:
            self._hold_space(character)
        elif character == "[":
            self._bracket = character
        else:
            self._pass(character)

    def _goes_on(self, character: str) -> bool:
        return (
            not self._bracket.endswith("]")
            and character in _MARKER_CHARACTERS
            and len(self._bracket) < _LONGEST_MARKER
        )

    def _hold_space(self, character: str) -> None:
        if not self._gap:
            self._spaces += character
        elif not self._at_line_start():
            self._spaces, self._gap = character, False

    def _pass(self, text: str) -> None:
        """Hand `text` out behind the spaces held, which close up where a marker was taken out."""
        if self._gap and text in _CLOSING:
            self._spaces = ""
        self._emit(self._spaces + text)
        self._spaces, self._gap, self._after_marker = "", False, False

    def _settle(self, *, link: bool = False) -> None:
        """Decide on the bracket that is held."""
        bracket, self._bracket = self._bracket, ""
        if not bracket:
            return
        attached = self._attached()
        if link or attached is None or not _MARKER.fullmatch(bracket):
            self._pass(bracket)
            return
        numbers = list(dict.fromkeys(int(number) for number in re.findall(r"\d+", bracket)))
        valid = [number for number in numbers if 1 <= number <= self._count]
        if valid:
            kept = bracket if valid == numbers else f"[{', '.join(map(str, valid))}]"
            self._pass(kept)
            start = self._position - len(kept)
            self.citations += [Citation(number - 1, start, self._position) for number in valid]
            self._after_marker = True
        elif attached:
            self._pass(bracket)
        else:
            self._gap = True
            self._swallowing = _OPEN_BRACKET.search(self._before + self._spaces) is not None
            if self._at_line_start():
                self._spaces = ""

    def _attached(self) -> bool | None:
        """Tell whether the bracket touches a word; None if what it touches makes it no marker at all."""
        if self._spaces or self._after_marker or not self._before:
            return False
        if self._before.endswith("]"):
            return None
        word = _WORD_BEFORE.search(self._before)
        if word is None:
            return self._before.endswith(")")
        return True if word[0].isalpha() and len(word[0]) >= _SHORTEST_WORD else None

    def _at_line_start(self) -> bool:
        return not self._before or self._before.endswith("\n")

    def _emit(self, text: str) -> None:
        self._ready.append(text)
        self._position += len(text)
        self._before = (self._before + text)[-_MEMORY:]

    def _drain(self) -> str:
        text = "".join(self._ready)
        self._ready.clear()
        return text
