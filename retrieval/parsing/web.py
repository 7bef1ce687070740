"""HTML by lxml: headings, paragraphs, lists and tables; nothing is fetched and no script is looked at."""

from collections.abc import Iterator

from lxml import etree

from retrieval.parsing import markdown
from retrieval.parsing.document import Assembly, ParsedDocument
from retrieval.parsing.limits import Limits
from retrieval.parsing.refusal import FileRefusedError

_SILENT = {
    "script",
    "style",
    "template",
    "noscript",
    "head",
    "svg",
    "math",
    "iframe",
    "object",
    "select",
    "button",
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INLINE = {
    *(
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
    ),
    *("label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u"),
    *("var", "wbr", "img"),
}
_LINE_END = "\0"  # of a <br>: the line ends of the source are but spaces, and NUL never comes out of the parser


def parse(content: bytes, limits: Limits) -> ParsedDocument:
    """Return the text of a page; its `<title>` heads it where no `<h1>` does.

    Raises:
        FileRefusedError: it is no HTML, too long, or empty.
    """
    root = _tree(content)
    assembly = Assembly(limits.text_characters)
    title = root.find(".//head/title")
    if title is not None and root.find(".//h1") is None:
        assembly.add(markdown.heading(1, "".join(title.itertext())))
    for block in _Blocks(root).read():
        assembly.add(block)
    return assembly.document(markdown=True)


def _tree(content: bytes) -> etree._Element:
    encoding: str | None = "utf-8"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        encoding = None  # then a mark or a <meta> says it
    # Without `huge_tree`, elements nest 256 deep at most, so that walking them stays within Python's own limit.
    parser = etree.HTMLParser(
        encoding=encoding, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise FileRefusedError(
            "It is no HTML that can be read. Open it in a browser and save it again."
        ) from error
    if any("depth" in entry.message for entry in parser.error_log):  # what lies deeper is not in the tree
        raise FileRefusedError("Its elements are nested more than 256 deep. Flatten it.")
    if root is None:
        raise FileRefusedError("It is empty. Write something into it or remove it.", keeps_last_good=False)
    return root


class _Blocks:
    """Walks the elements and gathers the words between two blocks."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._words: list[str] = []

    def read(self) -> Iterator[str]:
        yield from self._element(self._root)
        yield from self._gathered()

    def _element(self, element: etree._Element) -> Iterator[str]:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag in _SILENT:
            return
        if tag in _INLINE:
            yield from self._inside(element)
        elif tag == "br":
            self._words.append(_LINE_END)
        else:
            yield from self._gathered()
            yield from self._block(element, tag)

    def _block(self, element: etree._Element, tag: str) -> Iterator[str]:
        if tag in _HEADINGS:
            yield markdown.heading(_HEADINGS[tag], _words(element))
        elif tag == "pre":
            yield markdown.escaped("".join(element.itertext()).strip("\n"))
        elif tag == "table" and element.find(".//table") is None:  # one with tables inside is there for the layout
            yield "\n".join(markdown.rows(_rows(element)))
        else:
            if tag == "li":
                self._words.append("- ")
            yield from self._inside(element)
            yield from self._gathered()

    def _inside(self, element: etree._Element) -> Iterator[str]:
        self._words.append(element.text or "")
        for child in element:
            yield from self._element(child)
            self._words.append(child.tail or "")

    def _gathered(self) -> Iterator[str]:
        lines = [" ".join(line.split()) for line in "".join(self._words).split(_LINE_END)]
        self._words = []
        text = "\n".join(line for line in lines if line)
        if text.strip("- "):
            yield markdown.escaped(text)


def _rows(table: etree._Element) -> Iterator[list[str]]:
    for row in table.iter("tr"):
        yield [_words(cell) for cell in row if cell.tag in ("td", "th")]


def _words(element: etree._Element) -> str:
    return " ".join(" ".join(element.itertext()).split())
