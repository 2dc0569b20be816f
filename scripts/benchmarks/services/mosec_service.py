"""The work under mosec, with mosec's own JSON codec: `mosec_service.py [mosec's options]`.

BENCH_WORK names the work, BENCH_WORKERS the number of worker processes, BENCH_BATCH the most
requests that go together, 0 for no batching.
"""

import os
from typing import Any

from exchange import answer_of, data_of
from mosec import Server, Worker
from work import WORKS, matmul_all


class WorkWorker(Worker):
    """One worker process."""

    def __init__(self) -> None:
        super().__init__()
        self.work = WORKS[os.environ["BENCH_WORK"]]

    def forward(self, data: Any) -> dict[str, Any]:
        """Answer one request, decoded from JSON."""
        return answer_of(self.work(data_of(data)))


class BatchWorker(Worker):
    """One worker process that gets several requests at once."""

    def forward(self, data: Any) -> list[dict[str, Any]]:
        """Answer several requests, each decoded from JSON."""
        return [answer_of(text) for text in matmul_all([data_of(request) for request in data])]


if __name__ == "__main__":
    server = Server()
    workers = {"num": int(os.environ["BENCH_WORKERS"]), "route": "/v1/svcName"}
    if batch := int(os.environ["BENCH_BATCH"]):
        server.append_worker(BatchWorker, max_batch_size=batch, max_wait_time=5, **workers)
    else:
        server.append_worker(WorkWorker, **workers)
    server.run()
