"""A server for the benchmark's checks: `faulty_server.py PORT wrong-text|some-500|drops`."""

import itertools
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, FAULT = int(sys.argv[1]), sys.argv[2]
REQUESTS = itertools.count(1)
EVERY = 5


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        faulty = next(REQUESTS) % EVERY == 0
        if FAULT == "drops" and faulty:
            self.close_connection = True
            return
        text = "nonsense" if FAULT == "wrong-text" else "hello"
        answer = {"header": {"code": 0}, "payload": {"result": {"text": text}}}
        body = json.dumps(answer).encode()
        self.send_response(500 if FAULT == "some-500" and faulty else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
