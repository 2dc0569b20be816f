"""The work under mosec, with mosec's own JSON codec: `mosec_service.py [mosec's options]`.

BENCH_WORK names the work, BENCH_WORKERS the number of worker processes.
"""

import os
from typing import Any

from exchange import answer_of, data_of
from mosec import Server, Worker
from work import WORKS


class WorkWorker(Worker):
    """One worker process."""

    def __init__(self) -> None:
        super().__init__()
        self.work = WORKS[os.environ["BENCH_WORK"]]

    def forward(self, data: Any) -> dict[str, Any]:
        """Answer one request, decoded from JSON."""
        return answer_of(self.work(data_of(data)))


if __name__ == "__main__":
    server = Server()
    server.append_worker(WorkWorker, num=int(os.environ["BENCH_WORKERS"]), route="/v1/svcName")
    server.run()
