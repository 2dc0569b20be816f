"""A server that keeps no promise, to see that the drills notice: `careless_app.py PORT WORKERS`.

The first process starts another one that serves, and waits for it.
"""

import http.server
import json
import subprocess
import sys

from misdeeds import do


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Do what is asked for."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"pid": do(json.loads(body)["do"])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    port = int(sys.argv[1])
    if sys.argv[2] == "serve":
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    else:
        sys.exit(subprocess.call([sys.executable, __file__, str(port), "serve"]))
