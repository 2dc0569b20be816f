"""Draw a report. Needs matplotlib, which only the dependency group `bench` has."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Final

from benchmarks.figures import Report

COLUMNS: Final = 3
COLOURS: Final = ("#1b6ca8", "#3fa7d6", "#d1495b", "#edae49", "#8d99ae", "#4f5d75")


class PlotError(Exception):
    """The plot cannot be drawn; says what to do."""


def draw(report: Report, titles: Mapping[str, str], path: Path) -> None:
    """Write a PNG with one panel for each case: requests per second, medians.

    Raises:
        PlotError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise PlotError(
            "a plot needs matplotlib: python -m pip install --group bench, or `make bench`"
        ) from None
    rows = ceil(len(report.cases) / COLUMNS)
    figure = Figure(figsize=(5.0 * COLUMNS, 0.6 + 2.1 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(report.contenders)}
    for panel, case in enumerate(report.cases):
        axes = figure.add_subplot(rows, COLUMNS, panel + 1)
        results = [result for result in report.of_case(case) if result.samples]
        names = [result.contender for result in results]
        rates = [result.median("requests_per_s") for result in results]
        bars = axes.barh(names, rates, color=[colours[name] for name in names])
        axes.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], padding=3, fontsize=8)
        axes.set_title(titles.get(case, case), fontsize=9, loc="left")
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"requests/s, {report.date}, {report.machine['cpus']} CPUs", fontsize=10)
    figure.savefig(path, dpi=110)
