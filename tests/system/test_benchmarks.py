"""The benchmark measures real servers, and notices when their answers are wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cases import CASES, Case
from benchmarks.contenders import DECODES, Contender
from benchmarks.driver import measure
from benchmarks.environments import Environment
from benchmarks.figures import Report
from benchmarks.server import Launch, ServerError, free_port
from support.service import ROOT, SOURCES

RUN_LIMIT_S = 300.0
"""The first run downloads packages."""
FAULTY = ROOT / "tests" / "support" / "faulty_server.py"
HERE = Environment(Path(sys.executable), ())
SMALL = next(case for case in CASES if case.name == "small-8")


@pytest.mark.usefixtures("needs_wrk")
def test_a_run_measures_the_service_and_the_reference_side_by_side(tmp_path: Path) -> None:
    written = tmp_path / "run.json"
    command = [sys.executable, ROOT / "scripts" / "bench.py", "run", "--case", "small-8"]
    options = ["--contender", "ours-v2", "aiohttp", "--rounds", "1", "--seconds", "1"]
    done = subprocess.run(
        [*command, *options, "--json", written],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "small-8: small text, 8 connections" in done.stdout
    report = Report.from_json(json.loads(written.read_text("utf-8")))
    assert report.contenders == ["ours-v2", "aiohttp"]
    assert set(report.versions["aiohttp"]) >= {"python", "aiohttp", "uvloop"}
    for result in report.results:
        assert (result.failure, result.errors) == (None, 0)
        (sample,) = result.samples
        assert 10 < sample.requests_per_s < 200_000
        assert 0 < sample.p50_ms <= sample.p99_ms < 5_000
        assert 0 < sample.cpu_s_per_1000 < 100
        assert 10 < sample.rss_mib < 2_000


def faulty(fault: str) -> Contender:
    def launch(made: Environment, case: Case, folder: Path) -> Launch:
        port = free_port()
        return Launch([made.python, FAULTY, str(port), fault], folder, os.environ, port)

    return Contender(fault, "", DECODES, lambda: HERE, launch)


@pytest.mark.usefixtures("needs_wrk")
def test_requests_that_fail_are_errors_and_not_throughput() -> None:
    sample = measure(faulty("some-500"), HERE, SMALL, 0, 1)
    failed, answered = sample.errors["status"], sample.requests_per_s
    assert failed == pytest.approx(answered / 4, rel=0.2)


@pytest.mark.usefixtures("needs_wrk")
def test_connections_that_break_are_errors() -> None:
    sample = measure(faulty("drops"), HERE, SMALL, 0, 1)
    assert sample.errors["read"] > 0


def test_a_server_that_answers_wrongly_is_not_measured() -> None:
    with pytest.raises(ServerError, match="nonsense"):
        measure(faulty("wrong-text"), HERE, SMALL, 0, 1)


def test_a_server_that_does_not_start_is_reported_with_its_words() -> None:
    with pytest.raises(ServerError, match=r"(?s)ended with status 1.*invalid literal"):
        measure(broken(), HERE, SMALL, 0, 1)


def broken() -> Contender:
    def launch(made: Environment, case: Case, folder: Path) -> Launch:
        return Launch([made.python, FAULTY, "no-port", ""], folder, os.environ, free_port())

    return Contender("broken", "", DECODES, lambda: HERE, launch)
