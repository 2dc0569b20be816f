"""What was measured, and the arithmetic over it. No I/O."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender in one round of one case.

    Attributes:
        round: Counted from 0; contenders of the same round ran one after the other.
        requests_per_s: Answers per second.
        p50_ms: Half of the answers came within this.
        p99_ms: 99 of 100 came within this.
        cpu_s_per_1000: CPU seconds of all its processes for 1 000 answers.
        rss_mib: Most resident memory of all its processes together.
        errors: Requests that failed, by kind; empty: none.
    """

    round: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_1000: float
    rss_mib: float
    errors: Mapping[str, int]

    def figure(self, name: str) -> float:
        """Return one of `FIGURES`."""
        value: float = getattr(self, name)
        return value


FIGURES: Final = ("requests_per_s", "p50_ms", "p99_ms", "cpu_s_per_1000", "rss_mib")


@dataclass(frozen=True, slots=True)
class Result:
    """One contender in one case: its samples, and why there are no more of them, if so."""

    case: str
    contender: str
    samples: Sequence[Sample]
    failure: str | None = None

    @property
    def errors(self) -> int:
        """How many requests failed in all rounds."""
        return sum(sum(sample.errors.values()) for sample in self.samples)

    def median(self, figure: str) -> float:
        """Return the median over the rounds; there must be a sample."""
        return statistics.median(sample.figure(figure) for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Spread:
    """Ratios of several rounds."""

    median: float
    low: float
    high: float


def ratio(figure: str, result: Result, base: Result) -> Spread | None:
    """Compare round by round: what disturbs a round disturbs both contenders of it.

    Returns:
        `result` divided by `base`; None if they have no round in common, or base has a zero.
    """
    bases = {sample.round: sample.figure(figure) for sample in base.samples}
    ratios = [
        sample.figure(figure) / bases[sample.round]
        for sample in result.samples
        if bases.get(sample.round)
    ]
    return Spread(statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of a hundred values do not exceed."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found.

    Attributes:
        date: When it began, local time, ISO 8601.
        machine: Facts about the machine, by name.
        settings: Rounds, seconds and tools.
        base: The contender that the others are compared with.
        versions: For each contender, what it is made of.
        results: In the order of cases and contenders.
    """

    date: str
    machine: Mapping[str, str]
    settings: Mapping[str, str | int]
    base: str
    versions: Mapping[str, Mapping[str, str]]
    results: Sequence[Result]

    def of_case(self, case: str) -> list[Result]:
        """Return the results of one case."""
        return [result for result in self.results if result.case == case]

    @property
    def cases(self) -> list[str]:
        """The cases that were run."""
        return list(dict.fromkeys(result.case for result in self.results))

    @property
    def contenders(self) -> list[str]:
        """The contenders that were run."""
        return list(dict.fromkeys(result.contender for result in self.results))

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, with medians for other readers."""
        said = asdict(self)
        for written, result in zip(said["results"], self.results, strict=True):
            if result.samples:
                written["medians"] = {figure: result.median(figure) for figure in FIGURES}
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        results = [
            Result(
                case=result["case"],
                contender=result["contender"],
                samples=[Sample(**sample) for sample in result["samples"]],
                failure=result["failure"],
            )
            for result in said["results"]
        ]
        return cls(**{**said, "results": results})
