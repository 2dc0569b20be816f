"""Tables say what was measured, and what was not."""

import io

from rich.console import Console

from benchmarks.figures import Report, Result, Sample
from benchmarks.report import markdown, number, show

BASE = Result("small-1", "base", [Sample(0, 100.0, 2.0, 4.0, 1.0, 50.0, {})])
FAST = Result("small-1", "fast", [Sample(0, 250.0, 1.0, 2.0, 0.5, 25.0, {"timeout": 3})])
BROKEN = Result("small-1", "broken", [], "it did not listen")
REPORT = Report(
    date="2026-01-01T00:00+00:00",
    machine={"cpus": "2"},
    settings={"rounds": 1, "seconds": 5, "client": "wrk 4"},
    base="base",
    versions={"fast": {"fast": "1.0"}},
    results=[BASE, FAST, BROKEN],
)


def test_a_row_has_figures_their_ratios_and_the_errors() -> None:
    assert markdown(REPORT).splitlines()[2:] == [
        "| small-1 | base | 100 (1.00x) | 2 (1.00x) | 4 (1.00x) | 1 (1.00x) | 50 (1.00x) | 0 |",
        "| small-1 | fast | 250 (2.50x) | 1 (0.50x) | 2 (0.50x) | 0.5 (0.50x) | 25 (0.50x) | 3 |",
        "| small-1 | broken | - | - | - | - | - | failed |",
    ]


def test_failures_errors_and_what_is_missing_are_said_in_words() -> None:
    output = io.StringIO()
    show(REPORT, {"small-1": "small text"}, Console(file=output, width=130))
    said = output.getvalue()
    assert "small-1: small text" in said
    assert "FAILED small-1 broken: it did not listen" in said
    assert "ERRORS small-1 fast: 3 timeout" in said
    assert "fast: fast 1.0" in said


def test_a_case_without_its_base_has_figures_without_ratios() -> None:
    alone = Report(
        date="", machine={}, settings=REPORT.settings, base="base", versions={}, results=[FAST]
    )
    assert markdown(alone).splitlines()[-1] == "| small-1 | fast | 250 | 1 | 2 | 0.5 | 25 | 3 |"


def test_numbers_have_three_digits_that_count() -> None:
    values = (0.0, 0.01234, 1.2345, 12.345, 123.45, 12345.6)
    assert [number(value) for value in values] == ["0", "0.0123", "1.23", "12.3", "123", "12 346"]
