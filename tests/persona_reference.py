"""The field tables of docs/personas.md: `python -m tests.persona_reference` makes them anew from the code."""

from server.personas.reference import reference
from server.settings import ROOT

PAGE = ROOT / "docs" / "personas.md"
BEGIN, END = "<!-- fields: begin -->", "<!-- fields: end -->"


def written(page: str) -> list[str]:
    """Return the lines that stand between the marks in `page`."""
    return page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()


def rewritten(page: str) -> str:
    """Return `page` with the tables as the code has them."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return "\n".join([head + BEGIN, *reference(), END + tail])


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
