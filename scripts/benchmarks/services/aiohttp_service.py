"""No worker at all: one aiohttp process that decodes, works and answers: `aiohttp_service.py PORT`.

The least that HTTP, JSON and base64 cost in Python, with the libraries that aiges-loader uses.
"""

import os
import sys

import orjson
import pybase64
import uvloop
from aiohttp import web
from exchange import answer_of, encoded_of
from work import WORKS

WORK = WORKS[os.environ["BENCH_WORK"]]
MAX_BODY_BYTES = 64 << 20


async def serve_request(request: web.Request) -> web.Response:
    """Answer one request."""
    encoded = encoded_of(orjson.loads(await request.read()))
    answer = answer_of(WORK(pybase64.b64decode(encoded, validate=True)))
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


async def application() -> web.Application:
    """Make the application inside uvloop's loop."""
    made = web.Application(client_max_size=MAX_BODY_BYTES)
    made.router.add_post("/v1/svcName", serve_request)
    return made


if __name__ == "__main__":
    web.run_app(
        application(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
