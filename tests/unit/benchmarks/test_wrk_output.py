"""What wrk prints is read right, or not at all."""

import pytest

from benchmarks import wrk

OUTPUT = """\
Running 5s test @ http://127.0.0.1:1/v1/svcName
  1 threads and 32 connections
  Requests/sec:   1000.00
wrk-result {"requests": 5000, "duration_us": 5000000, "p50_us": 1500, "p99_us": 4250, \
"errors": {"connect": 0, "read": 2, "write": 0, "status": 100, "timeout": 1}}
"""


def test_answers_with_an_error_status_are_not_counted_as_answered() -> None:
    load = wrk.read(OUTPUT)
    assert load.answered == 4900
    assert load.seconds == 5.0
    assert (load.p50_ms, load.p99_ms) == (1.5, 4.25)
    assert load.errors == {"connect": 0, "read": 2, "write": 0, "status": 100, "timeout": 1}


def test_output_without_a_result_is_an_error_that_shows_the_output() -> None:
    with pytest.raises(wrk.WrkError, match="unable to connect"):
        wrk.read("unable to connect to 127.0.0.1:1 Connection refused\n")
