"""A web server of the demo: it says where it stands and whom it was told that it serves.

    backend.py REGION NAME [PORT]

`/` is answered with region, name and the client's address, `/health` with ok, anything else with
404. Nothing but Python's own library: six of these run in the demo, in some 10 MB each.
"""

from __future__ import annotations

import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def make_handler(region: str, name: str) -> type[BaseHTTPRequestHandler]:
    """What answers requests in the name of a backend."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # connections stay open, as proxies want them
        disable_nagle_algorithm = True  # head and body are two writes

        def do_GET(self) -> None:
            if self.path == "/health":
                self._answer(200, "ok\n")
            elif self.path == "/":
                client = self.headers.get("X-Forwarded-For", self.client_address[0])
                self._answer(200, f"{region} {name} {client}\n")
            else:
                self._answer(404, "there is no such page\n")

        def _answer(self, status: int, text: str) -> None:
            octets = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            """The proxies log each request; twice is once too often."""

    return Handler


class Server(ThreadingHTTPServer):
    """One thread for each connection; those that idle do not keep it from ending."""

    daemon_threads = True
    block_on_close = False


def main(region: str, name: str, port: str = "9001") -> None:
    """Answers until SIGTERM."""
    server = Server(("", int(port)), make_handler(region, name))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
