"""The misdeeds under mosec: `mosec_app.py PORT WORKERS [mosec's options]`."""

import sys
from typing import Any

from misdeeds import do
from mosec import Server, Worker


class Misbehaving(Worker):
    """One worker process."""

    def forward(self, data: Any) -> dict[str, int]:
        """Answer one request."""
        return {"pid": do(data["do"])}


if __name__ == "__main__":
    port, workers, *options = sys.argv[1:]
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", port, *options]
    server = Server()
    server.append_worker(Misbehaving, num=int(workers), route="/call")
    server.run()
