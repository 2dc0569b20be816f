"""How trials and findings are shown: for people, or as JSON."""

import json
from dataclasses import asdict
from typing import Final, TextIO

import click

from aiges.authoring.doctor import Finding, Level
from aiges.authoring.texts import say
from aiges.authoring.trials import Output, Trial

_INDENT: Final = "    "
_COLOURS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.ERROR: "red"}


class Report:
    """Shows trials as they end, and sums up."""

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        """Begin; `out` gets the report."""
        self._out = out
        self._as_json = as_json
        self._trials: list[Trial] = []

    def add(self, trial: Trial) -> None:
        """Take the next trial."""
        self._trials.append(trial)
        if not self._as_json:
            self._echo("\n".join(_lines(trial)))

    def end(self) -> int:
        """Sum up; return the exit status."""
        failed = sum(not trial.passed for trial in self._trials)
        if self._as_json:
            trials = [{**asdict(trial), "passed": trial.passed} for trial in self._trials]
            value = {"passed": not failed, "trials": trials}
            self._echo(json.dumps(value, indent=2, ensure_ascii=False))
        elif failed:
            text = say("test.failed", failed=failed, count=len(self._trials))
            self._echo(click.style(text, fg="red"))
        else:
            self._echo(click.style(say("test.passed", count=len(self._trials)), fg="green"))
        return 1 if failed else 0

    def _echo(self, text: str) -> None:
        click.echo(text, file=self._out)


def _lines(trial: Trial) -> list[str]:
    mark = click.style("ok  ", fg="green") if trial.passed else click.style("FAIL", fg="red")
    lines = [f"{mark} {trial.method}  {trial.seconds:.3f} s"]
    if trial.error_code:
        text = say("test.error_code", code=trial.error_code, text=trial.error_text)
        lines.append(_INDENT + click.style(text, fg="yellow"))
    for output in trial.outputs:
        lines += [_INDENT + line for line in _shown(output)]
    for problem in trial.problems:
        lines += [_INDENT + click.style(line, fg="red") for line in problem.splitlines()]
    return lines


def _shown(output: Output) -> list[str]:
    values = {"key": output.key, "kind": output.kind, "bytes": output.bytes}
    if output.pieces == 1:
        head = say("test.output", **values)
    else:
        head = say("test.pieces", **values, pieces=output.pieces)
    return [head, *(output.text or "").splitlines()]


def finding_line(finding: Finding) -> str:
    """Write what was found, and below it what to do about it."""
    level = click.style(f"{finding.level.value:5}", fg=_COLOURS[finding.level])
    lines = [f"{level} {finding.topic}: {finding.text}"]
    lines += [f"      -> {line}" for line in finding.advice.splitlines()]
    return "\n".join(lines)
