"""The misdeeds under LitServe: `litserve_app.py PORT WORKERS`."""

import sys

import litserve
from misdeeds import do


class Misbehaving(litserve.LitAPI):
    """One call after the other."""

    def setup(self, device: str) -> None:
        """Nothing to prepare."""

    def decode_request(self, request) -> str:  # noqa: ANN001 - LitServe reads annotations
        """Take out what is to be done."""
        return str(request["do"])

    def predict(self, x: str) -> int:
        """Do it."""
        return do(x)

    def encode_response(self, output: int) -> dict[str, int]:
        """Shape the answer."""
        return {"pid": output}


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    litserve.LitServer(
        Misbehaving(api_path="/call"), accelerator="cpu", workers_per_device=workers, timeout=10
    ).run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
