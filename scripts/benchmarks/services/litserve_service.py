"""The work under LitServe: `litserve_service.py PORT`.

BENCH_WORK names the work, BENCH_WORKERS the number of worker processes, BENCH_BATCH the most
requests that go together, 0 for no batching. Calls that sleep run as
coroutines: LitServe's way to have several in one worker.
"""

import asyncio
import os
import sys
from typing import Any

import litserve
from exchange import answer_of, data_of
from work import SLEEP_S, WORKS, matmul_all


class WorkApi(litserve.LitAPI):
    """One call after the other."""

    def setup(self, device: str) -> None:
        """Choose the work."""
        self.work = WORKS[os.environ["BENCH_WORK"]]

    def decode_request(self, request) -> bytes:  # noqa: ANN001 - LitServe reads annotations
        """Take the data out of the parsed JSON."""
        return data_of(request)

    def predict(self, x: bytes) -> str:
        """Do the work."""
        return self.work(x)

    def encode_response(self, output: str) -> dict[str, Any]:
        """Shape the answer."""
        return answer_of(output)


class SleepApi(litserve.LitAPI):
    """Many sleeping calls at the same time."""

    def setup(self, device: str) -> None:
        """Nothing to prepare."""

    async def decode_request(self, request) -> bytes:  # noqa: ANN001 - LitServe reads annotations
        """Take the data out of the parsed JSON."""
        return data_of(request)

    async def predict(self, x: bytes) -> str:
        """Sleep and echo."""
        await asyncio.sleep(SLEEP_S)
        return x.decode()

    async def encode_response(self, output: str) -> dict[str, Any]:
        """Shape the answer."""
        return answer_of(output)


class BatchApi(WorkApi):
    """Several calls at once."""

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Hand the requests on as they are."""
        return inputs

    def predict(self, x: list[bytes]) -> list[str]:
        """Do the work for all."""
        return matmul_all(x)

    def unbatch(self, output: list[str]) -> list[str]:
        """Hand the answers back."""
        return output


if __name__ == "__main__":
    path = "/v1/svcName"
    batch = int(os.environ["BENCH_BATCH"])
    if os.environ["BENCH_WORK"] == "sleep":
        api = SleepApi(api_path=path, enable_async=True)
    elif batch:
        api = BatchApi(api_path=path, max_batch_size=batch, batch_timeout=0.005)
    else:
        api = WorkApi(api_path=path)
    litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ["BENCH_WORKERS"]),
        fast_queue=True,  # its manual: for more than 100 requests/s
    ).run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        generate_client_file=False,
        timeout_keep_alive=75,
    )
