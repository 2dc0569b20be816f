"""Show what was measured: tables for a terminal, Markdown for the documents."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Report, Result, Spread, ratio

WIDTH: Final = 130
"""Where there is no terminal to ask."""

COLUMNS: Final = (
    ("requests/s", "requests_per_s"),
    ("p50 ms", "p50_ms"),
    ("p99 ms", "p99_ms"),
    ("CPU s/1000", "cpu_s_per_1000"),
    ("RSS MiB", "rss_mib"),
)


def row(result: Result, base: Result | None) -> list[str]:
    """Return a table's cells: contender, figures with their ratios to `base`, errors."""
    if not result.samples:
        return [result.contender, *("-" for _ in COLUMNS), "failed"]
    cells = [result.contender]
    for _, figure in COLUMNS:
        cell = number(result.median(figure))
        if base is not None and (spread := ratio(figure, result, base)) is not None:
            cell += f" ({spread.median:.2f}x)"
        cells.append(cell)
    return [*cells, "failed" if result.failure else str(result.errors)]


def number(value: float) -> str:
    """Write with three digits that count, or all before the point."""
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if value else "0"


def base_of(report: Report, case: str) -> Result | None:
    """Return the result that others of the case are compared with, if it was measured."""
    wanted = [result for result in report.of_case(case) if result.contender == report.base]
    return wanted[0] if wanted and wanted[0].samples else None


def show(report: Report, titles: Mapping[str, str], console: Console) -> None:
    """Print a table for each case, what failed, and what was run on what."""
    for case in report.cases:
        base = base_of(report, case)
        table = Table(title=f"{case}: {titles.get(case, '')}", title_justify="left")
        table.add_column("contender")
        for heading, _ in COLUMNS:
            table.add_column(heading, justify="right")
        table.add_column("errors", justify="right")
        for result in report.of_case(case):
            table.add_row(*row(result, base))
        console.print(table)
    for line in remarks(report):
        console.print(line, markup=False, highlight=False)


def remarks(report: Report) -> Iterator[str]:
    """Say in words what the tables cannot: failures, errors by kind, spreads, circumstances."""
    settings = report.settings
    yield (
        f"medians of {settings['rounds']} rounds of {settings['seconds']} s, interleaved; "
        f"in brackets: divided by {report.base}, median of the rounds"
    )
    for result in report.results:
        where = f"{result.case} {result.contender}"
        if result.failure:
            yield f"FAILED {where}: {result.failure}"
        if result.errors:
            kinds: dict[str, int] = {}
            for sample in result.samples:
                for kind, count in sample.errors.items():
                    kinds[kind] = kinds.get(kind, 0) + count
            yield f"ERRORS {where}: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}"
    for case in report.cases:
        base = base_of(report, case)
        for result in report.of_case(case):
            if base is not None and result.contender != report.base:
                yield from _spread_line(result, ratio("requests_per_s", result, base), report.base)
    yield from circumstances(report.versions, report.machine, report.date)
    yield str(settings["client"])


def circumstances(
    versions: Mapping[str, Mapping[str, str]], machine: Mapping[str, str], date: str
) -> Iterator[str]:
    """Say what was measured, where and when."""
    for contender, said in versions.items():
        yield f"{contender}: {', '.join(f'{name} {version}' for name, version in said.items())}"
    yield ", ".join(f"{name} {value}" for name, value in machine.items())
    yield date


def _spread_line(result: Result, spread: Spread | None, base: str) -> Iterator[str]:
    if spread is not None:
        yield (
            f"requests/s {result.case} {result.contender} / {base}: {spread.median:.2f}, "
            f"rounds from {spread.low:.2f} to {spread.high:.2f}"
        )


def markdown(report: Report) -> str:
    """Return one table of all cases, for the documents."""
    headings = ["case", "contender", *(heading for heading, _ in COLUMNS), "errors"]
    rows = [
        [case, *row(result, base_of(report, case))]
        for case in report.cases
        for result in report.of_case(case)
    ]
    return "\n".join(
        [table_row(headings), table_row(["---"] * len(headings)), *map(table_row, rows)]
    )


def table_row(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def console() -> Console:
    """Return where tables go: as wide as the terminal, or `WIDTH`."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)
