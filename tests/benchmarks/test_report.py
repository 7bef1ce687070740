"""The performance report is kept by sections."""

from pathlib import Path

from benchmarks.report import PERFORMANCE, sections_of, with_section

ORDER = ("one", "two", "three")


def test_a_run_replaces_its_own_section_and_leaves_the_others_in_their_order() -> None:
    report = with_section("", "three", ["## Three", "", "old"], ORDER)
    report = with_section(report, "one", ["## One"], ORDER)
    report = with_section(report, "three", ["## Three", "", "new"], ORDER)
    assert sections_of(report) == {"one": "## One\n", "three": "## Three\n\nnew\n"}
    assert list(sections_of(report)) == ["one", "three"]
    assert report.startswith("# Performance\n")
    assert "old" not in report


def test_a_section_that_no_benchmark_writes_any_more_goes_out() -> None:
    report = with_section("", "gone", ["## Gone"], ("gone",))
    assert sections_of(with_section(report, "one", ["## One"], ORDER)) == {"one": "## One\n"}


def test_what_stands_above_the_sections_of_a_document_stays() -> None:
    page = "# Training\n\nHow it is done.\n"
    once = with_section(page, "one", ["## One", "", "old"], ORDER, None)
    twice = with_section(once, "one", ["## One", "", "new"], ORDER, None)
    assert twice == f"{page}\n<!-- section: one -->\n## One\n\nnew\n"


def test_the_report_in_the_repository_is_of_this_form() -> None:
    report = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
    assert PERFORMANCE.introduction
    assert report.startswith(PERFORMANCE.introduction)
    assert "adapters-float32" in sections_of(report)
