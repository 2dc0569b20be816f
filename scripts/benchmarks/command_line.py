"""The command line of scripts/bench.py: what to measure, and where the figures go.

run: throughput, latency, CPU and memory under load. start: from the start of the process to the
first right answer. idle: memory of workers and of connections that nobody uses. list: cases and
contenders. show: a saved run as tables or Markdown.
"""

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import contenders as known, driver, plot, report as reports, starting, wrk
from benchmarks.cases import CASES
from benchmarks.contenders import Contender, Measured
from benchmarks.environments import ROOT, Environment, EnvironmentMakingError
from benchmarks.figures import Report
from benchmarks.server import ServerError

SAVED: Final = ROOT / "docs" / "benchmarks"
TITLES: Final = {case.name: case.title for case in CASES}
OPEN_FILES: Final = 4096
"""For a thousand connections, here and in the servers, which inherit the limit."""


def main() -> int:
    """Do what the command line asks for; return the exit status."""
    options = _parser().parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    try:
        status: int = options.command(options)
    except (EnvironmentMakingError, ServerError, wrk.WrkError, plot.PlotError) as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measure aiges-loader beside other servers."
    )
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="Throughput, latency, CPU and memory under load")
    run.set_defaults(command=_run)
    run.add_argument("--case", nargs="+", type=_case, metavar="CASE", default=list(TITLES))
    _choose_contenders(run, [who.name for who in known.CONTENDERS])
    run.add_argument("--against", metavar="COMMIT", help="measure an older commit of ours, too")
    run.add_argument("--base", metavar="CONTENDER", help="what the others are divided by")
    run.add_argument("--rounds", type=_positive, default=5)
    run.add_argument("--seconds", type=_positive, default=5, help="of each measurement")
    _choose_outputs(run)
    run.add_argument("--plot", type=Path, metavar="FILE", help="write a picture (PNG)")

    for name, what in {"start": _start, "idle": _idle}.items():
        other = commands.add_parser(name, help=(what.__doc__ or "").rstrip("."))
        other.set_defaults(command=what)
        _choose_contenders(other, [who.name for who in known.SERVERS])
        other.add_argument("--rounds", type=_positive, default=5)
        _choose_outputs(other)
        if name == "idle":
            other.add_argument("--connections", type=_positive, default=1000)

    listed = commands.add_parser("list", help="Say which cases and contenders there are")
    listed.set_defaults(command=_list)
    shown = commands.add_parser("show", help="Print a saved run")
    shown.set_defaults(command=_show)
    shown.add_argument("file", type=Path)
    shown.add_argument("--markdown", action="store_true", help="one table for the documents")
    return parser


def _choose_contenders(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    parser.add_argument("--contender", nargs="+", choices=names, metavar="CONTENDER", default=names)


def _choose_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument(
        "--save", action="store_true", help=f"write to {SAVED.relative_to(ROOT)} what can be"
    )


def _case(name: str) -> str:
    if name not in TITLES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(TITLES)}")
    return name


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    """Measure under load; return 1 if a contender failed."""
    wrk.require()
    chosen: list[Measured] = [who for who in known.CONTENDERS if who.name in options.contender]
    if options.against:
        chosen.append(known.at_commit(options.against))
    plan = driver.Plan(
        cases=[case for case in CASES if case.name in options.case],
        contenders=chosen,
        rounds=options.rounds,
        seconds=options.seconds,
        base=_base([who.name for who in chosen], options),
    )
    environments = {who.name: who.environment() for who in chosen}
    with _progress() as progress:
        task = progress.add_task("", total=len(plan.pairs()) * plan.rounds)
        done = -1

        def step(what: str) -> None:
            nonlocal done
            done += 1
            progress.update(task, completed=done, description=what)

        report = driver.run(plan, environments, step)
    reports.show(report, TITLES, reports.console())
    _write(options, "run", report.to_json())
    for path in [options.plot, SAVED / "run.png" if options.save else None]:
        if path is not None:
            plot.draw(report, TITLES, path)
    return 1 if any(result.failure for result in report.results) else 0


def _base(names: Sequence[str], options: argparse.Namespace) -> str:
    """Choose what the others are divided by: as asked, the older commit, mosec, the first one."""
    if options.base is not None:
        if options.base not in names:
            raise SystemExit(f"bench.py: --base {options.base}: not one of {', '.join(names)}")
        return str(options.base)
    if options.against:
        return names[-1]
    return known.MOSEC.name if known.MOSEC.name in names else names[0]


def _start(options: argparse.Namespace) -> int:
    """Time from start to first answer, and to the end."""
    headings = {
        "first_answer_s": "first answer s",
        "stop_s": "stop s",
        "first_mib": "first process MiB",
        "all_mib": "all processes MiB",
        "processes": "processes",
        "left_behind": "left behind",
    }
    return _without_load("start", options, starting.measure_start, headings)


def _idle(options: argparse.Namespace) -> int:
    """Memory of workers and of connections that nobody uses."""
    headings = {
        "one_worker_mib": "one worker MiB",
        "per_worker_mib": "further worker MiB",
        "per_connection_kib": "idle connection KiB",
    }

    def measure(who: Contender, environment: Environment) -> starting.Idle:
        return starting.measure_idle(who, environment, options.connections)

    return _without_load("idle", options, measure, headings)


def _without_load(
    name: str,
    options: argparse.Namespace,
    measure: Callable[[Contender, Environment], starting.Start | starting.Idle],
    headings: Mapping[str, str],
) -> int:
    """Measure servers in turn, several rounds; print medians and write everything.

    Args:
        name: Of the measurement.
        options: From the command line.
        measure: Makes one measurement.
        headings: For each attribute of what `measure` returns, what stands above its column.
    """
    servers = [who for who in known.SERVERS if who.name in options.contender]
    environments = {who.name: who.environment() for who in servers}
    date, machine = driver.now(), driver.machine_facts()
    measured: dict[str, list[dict[str, float]]] = {who.name: [] for who in servers}
    with _progress() as progress:
        task = progress.add_task("", total=options.rounds * len(servers))
        for number in range(options.rounds):
            for who in servers:
                progress.update(task, description=f"{name} {who.name} {number + 1}")
                try:
                    measured[who.name].append(asdict(measure(who, environments[who.name])))
                except ServerError as error:
                    raise ServerError(f"{who.name}: {error}") from None
                progress.advance(task)
    table = Table("contender", title=f"{name}: medians of {options.rounds} rounds")
    for heading in headings.values():
        table.add_column(heading, justify="right")
    for who in servers:
        medians = [statistics.median(o[key] for o in measured[who.name]) for key in headings]
        table.add_row(who.name, *map(reports.number, medians))
    console = reports.console()
    console.print(table)
    versions = {who.name: environments[who.name].versions() for who in servers}
    for line in reports.circumstances(versions, machine, date):
        console.print(line, markup=False, highlight=False)
    report = {"date": date, "machine": machine, "versions": versions, "rounds": measured}
    _write(options, name, report)
    return 0


def _list(_: argparse.Namespace) -> int:
    """Print the cases and the contenders."""
    console = reports.console()
    table = Table("case", "what it is")
    for name, title in TITLES.items():
        table.add_row(name, escape(title))
    console.print(table)
    table = Table("contender", "what it is")
    for who in known.CONTENDERS:
        table.add_row(who.name, who.note)
    console.print(table)
    return 0


def _show(options: argparse.Namespace) -> int:
    """Print a run that was saved."""
    report = Report.from_json(json.loads(options.file.read_text("utf-8")))
    if options.markdown:
        print(reports.markdown(report))
    else:
        reports.show(report, TITLES, reports.console())
    return 0


def _write(options: argparse.Namespace, name: str, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1) + "\n"
    if options.save:
        SAVED.mkdir(parents=True, exist_ok=True)
        (SAVED / f"{name}.json").write_text(text, "utf-8")
    if options.json is not None:
        options.json.write_text(text, "utf-8")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:30}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
