"""Medians, ratios and percentiles of what was measured."""

import json

import pytest

from benchmarks.figures import Report, Result, Sample, Spread, percentile, ratio


def result(*rates: float, rounds: tuple[int, ...] = (), contender: str = "a") -> Result:
    numbers = rounds or tuple(range(len(rates)))
    samples = [
        Sample(number, rate, 1.0, 2.0, 0.5, 100.0, {})
        for number, rate in zip(numbers, rates, strict=True)
    ]
    return Result("case", contender, samples)


def test_the_median_ignores_an_outlier() -> None:
    assert result(10.0, 1000.0, 11.0).median("requests_per_s") == 11.0


def test_ratios_are_taken_within_a_round() -> None:
    slow_round = result(100.0, 50.0, 100.0)  # everything took twice as long in round 1
    base = result(50.0, 25.0, 40.0)
    assert ratio("requests_per_s", slow_round, base) == Spread(2.0, 2.0, 2.5)


def test_rounds_that_one_of_the_two_lacks_are_left_out() -> None:
    assert ratio("requests_per_s", result(8.0, 9.0, rounds=(0, 2)), result(4.0, 1.0)) == Spread(
        2.0, 2.0, 2.0
    )


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio("requests_per_s", result(8.0), result()) is None
    assert ratio("requests_per_s", result(8.0), result(0.0)) is None


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 50, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 99, 4.0),
        ([float(n) for n in range(1, 201)], 99, 198.0),
    ],
)
def test_a_percentile_is_one_of_the_values(
    values: list[float], percent: float, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_report_survives_its_file() -> None:
    failed = Result("case", "b", [], "did not start")
    errors = Result("case", "c", [Sample(0, 1.0, 1.0, 1.0, 1.0, 1.0, {"status": 3})])
    report = Report(
        date="2026-01-01T00:00+00:00",
        machine={"cpus": "2"},
        settings={"rounds": 2, "seconds": 5, "client": "wrk"},
        base="a",
        versions={"a": {"python": "3.11"}},
        results=[result(1.0, 2.0), failed, errors],
    )
    written = json.loads(json.dumps(report.to_json()))
    assert written["results"][0]["medians"]["requests_per_s"] == 1.5
    assert Report.from_json(written) == report
