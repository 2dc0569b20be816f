"""The misdeeds under uvicorn, which serves ASGI: `uvicorn_app.py PORT WORKERS`."""

import asyncio
import json
import sys
from typing import Any

import uvicorn
from misdeeds import do


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    pid = await asyncio.to_thread(do, json.loads(body)["do"])
    answer = json.dumps({"pid": pid}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    # One worker as a process of its own would take --workers 2: with 1 there is no supervisor.
    uvicorn.run("uvicorn_app:app", port=port, workers=workers, log_level="warning")
