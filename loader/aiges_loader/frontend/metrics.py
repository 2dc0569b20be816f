"""Metrics in Prometheus' text format, made from a status and a tally when somebody asks. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from aiges_loader.frontend.request_tally import BOUNDS_S, RequestTally
from aiges_loader.pool.batching import SIZE_BOUNDS, WAIT_BOUNDS_S, BatchTally
from aiges_loader.pool.lifecycle import State
from aiges_loader.pool.status import ServiceStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


_SUPERVISOR: Final = ProcessCollector(registry=None)
"""The customary process_* metrics of this process: memory, processor time, descriptors."""


def exposition(
    status: ServiceStatus,
    tally: RequestTally,
    batches: BatchTally,
    sessions_ended: Mapping[int, int],
) -> bytes:
    """Return all metrics as `CONTENT_TYPE`; `sessions_ended` counts by code, 0 if all went well."""
    return generate_latest(_Metrics(status, tally, batches, sessions_ended))


@dataclass(frozen=True, slots=True)
class _Metrics(Collector):
    status: ServiceStatus
    tally: RequestTally
    batches: BatchTally
    sessions_ended: Mapping[int, int]

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "aiges_build",
            "The program and the service that it runs.",
            {"version": self.status.version, "service": self.status.service},
        )
        yield from _SUPERVISOR.collect()
        yield from _requests(self.tally)
        yield from _batches(self.batches)
        yield from _sessions(self.status, self.sessions_ended)
        yield from _service(self.status)
        yield from _workers(self.status)
        yield from _reported(self.status)


def _requests(tally: RequestTally) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "aiges_requests",
        "Requests for inference that have ended, by the code in their answer.",
        labels=["code"],
    )
    for code, count in tally.by_code.items():
        requests.add_metric([str(code)], count)
    yield requests
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    yield HistogramMetricFamily(
        "aiges_request_duration_seconds",
        "From the head of a request for inference to its answer, waiting included.",
        buckets=list(zip(bounds, accumulate(tally.by_duration), strict=True)),
        sum_value=tally.seconds,
    )
    text = "Requests for inference that have begun and not ended."
    yield GaugeMetricFamily("aiges_requests_in_flight", text, tally.in_flight)


def _batches(tally: BatchTally) -> Iterator[Metric]:
    bounds = [*map(str, SIZE_BOUNDS[:-1]), "+Inf"]
    yield HistogramMetricFamily(
        "aiges_batch_size",
        "Calls in a batch that went to a worker.",
        buckets=list(zip(bounds, accumulate(tally.by_size), strict=True)),
        sum_value=tally.calls,
    )
    bounds = [*map(str, WAIT_BOUNDS_S), "+Inf"]
    yield HistogramMetricFamily(
        "aiges_batch_wait_seconds",
        "How long a call of a batch waited for others, and for a place at a worker.",
        buckets=list(zip(bounds, accumulate(tally.by_wait), strict=True)),
        sum_value=tally.wait_s,
    )


def _sessions(status: ServiceStatus, ended: Mapping[int, int]) -> Iterator[Metric]:
    open_now = sum(worker.sessions for worker in status.workers)
    yield GaugeMetricFamily("aiges_sessions", "Sessions that workers have.", open_now)
    sessions = CounterMetricFamily(
        "aiges_sessions_ended",
        "Sessions that have ended, by code: 0 if all went well.",
        labels=["code"],
    )
    for code, count in ended.items():
        sessions.add_metric([str(code)], count)
    yield sessions


def _service(status: ServiceStatus) -> Iterator[Metric]:
    gauges = {
        "aiges_queue_length": ("Calls that wait for a licence.", status.queue.taken),
        "aiges_queue_limit": ("Calls that may wait for a licence.", status.queue.limit),
        "aiges_calls_waiting_for_worker": (
            "Calls that have a licence and wait for a place at a worker.",
            status.waiting_for_worker,
        ),
        "aiges_licences_taken": ("Calls that hold a licence.", status.licences.taken),
        "aiges_licences_limit": ("Licences that there are.", status.licences.limit),
        "aiges_resources": ("Resources that are loaded.", len(status.resources)),
        "aiges_start_time_seconds": (
            "When the supervisor started, in seconds since the epoch.",
            status.started.timestamp(),
        ),
    }
    for name, (text, value) in gauges.items():
        yield GaugeMetricFamily(name, text, value)
    restarts = CounterMetricFamily(
        "aiges_worker_restarts",
        "Processes of workers that were replaced: after a crash, a hang or a start that failed; "
        "to recycle or reload them, or because an operator asked for it.",
        labels=["reason"],
    )
    for cause, count in status.replaced.items():
        restarts.add_metric([cause], count)
    yield restarts


def _workers(status: ServiceStatus) -> Iterator[Metric]:
    states = GaugeMetricFamily("aiges_workers", "Workers by state.", labels=["state"])
    by_state = Counter(worker.state for worker in status.workers)
    for state in State:
        states.add_metric([state.value], by_state[state])
    yield states
    resident = GaugeMetricFamily(
        "aiges_worker_resident_memory_bytes",
        "Resident memory of a worker's processes.",
        labels=["worker"],
    )
    cpu = CounterMetricFamily(
        "aiges_worker_cpu_seconds",
        "Processor time, user and system, of a worker's processes.",
        labels=["worker"],
    )
    to_ready = GaugeMetricFamily(
        "aiges_worker_time_to_ready_seconds",
        "How long the last start of a worker took until it was ready.",
        labels=["worker"],
    )
    for number in sorted({worker.number for worker in status.workers}):
        # Two while one replaces the other: a series may be there only once.
        same = [worker for worker in status.workers if worker.number == number]
        resident.add_metric([str(number)], sum(worker.rss_bytes for worker in same))
        cpu.add_metric([str(number)], sum(worker.cpu_seconds for worker in same))
        times = [w.time_to_ready_seconds for w in same if w.time_to_ready_seconds is not None]
        for time_s in times[-1:]:
            to_ready.add_metric([str(number)], time_s)
    yield from (resident, cpu, to_ready)


def _reported(status: ServiceStatus) -> Iterator[Metric]:
    used = CounterMetricFamily(
        "aiges_used", "What user code says that it used: custom metering.", labels=["key"]
    )
    for key, count in status.used.items():
        used.add_metric([key], count)
    yield used
    measured = GaugeMetricFamily(
        "aiges_measured", "The newest of what user code says that it measured.", labels=["key"]
    )
    for key, value in status.measured.items():
        measured.add_metric([key], value)
    yield measured
