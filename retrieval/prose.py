"""Where a Markdown text is prose and where it is code. Knows nothing of markers or sentences."""

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class CodeTracker:
    """Follows a text character by character.

    Fences are those of CommonMark (section 4.5). A code span (6.1) ends at the latest with its line: in a
    stream nobody knows whether a lone backtick will find its partner.
    """

    def __init__(self) -> None:
        self._line = ""
        self._fence = ""
        self._opening = False
        self._ticks = 0
        self._span = 0

    @property
    def inside(self) -> bool:
        """Tell whether the last character seen belongs to code."""
        return bool(self._fence or self._opening or self._span)

    def see(self, character: str) -> None:
        """Take notice of the next character."""
        if character == "\n":
            self._end_line()
            return
        self._line += character
        if self._fence or self._opening:
            return
        if character in "`~" and _FENCE.fullmatch(self._line):
            self._opening, self._ticks, self._span = True, 0, 0
        elif character == "`":
            self._ticks += 1
        elif self._ticks:
            if not self._span:
                self._span = self._ticks
            elif self._span == self._ticks:
                self._span = 0
            self._ticks = 0

    def _end_line(self) -> None:
        if self._fence:
            run = self._line.strip(" \t")
            indent = len(self._line) - len(self._line.lstrip(" "))
            if indent < 4 and len(run) >= len(self._fence) and set(run) == {self._fence[0]}:
                self._fence = ""
        elif self._opening and (mark := _FENCE.match(self._line)) and not self._is_span(mark):
            self._fence = mark[1]
        self._line, self._opening, self._ticks, self._span = "", False, 0, 0

    def _is_span(self, mark: re.Match[str]) -> bool:
        """Tell whether what looked like a fence was a code span: no backtick may follow on a fence's line."""
        return mark[1][0] == "`" and "`" in self._line[mark.end() :]
