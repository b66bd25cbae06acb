"""Small backends that tell what they were asked, each with a name, on threads of their own."""

from __future__ import annotations

import hashlib
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.sync.server import serve

from gslb.http1.proxy_header import parse_proxy_header

PIECE = 64 * 1024


class Echo(BaseHTTPRequestHandler):
    """Answers with JSON: who was asked, and what. The path /size/N gets N octets, /status/N a
    status, /health whether the server is well.
    """

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment: two would wait for each other's acknowledgement
    server: EchoServer
    announced = ""

    def setup(self) -> None:
        self.server.know(self.request)
        super().setup()
        if self.server.is_announced:
            self.announced = read_announcement(self.rfile)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the engine let go, as it may
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def answer(self) -> None:
        body = self.read_body()
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path == "/health":
            self.tell(200 if self.server.is_well else 500, {"status": "ok"})
        elif "/status/" in path:
            self.tell(int(path.rpartition("/")[2]), {"name": self.server.name})
        elif "/size/" in path:
            self.send(200, b"x" * int(path.rpartition("/")[2]))
        else:
            self.tell(
                self.server.status,
                {
                    "name": self.server.name,
                    "method": self.command,
                    "target": self.path,
                    "headers": [[name.lower(), value] for name, value in self.headers.items()],
                    "length": len(body),
                    "digest": hashlib.sha256(body).hexdigest(),
                    "announced": self.announced,
                },
            )

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def tell(self, status: int, what: dict[str, Any]) -> None:
        self.send(status, b"" if status in (204, 304) else json.dumps(what).encode())

    def send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Backend", self.server.name)
        self.send_header("Content-Type", "text/plain")
        if self.path.startswith("/kept/"):
            self.send_header("Cache-Control", "max-age=60")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        pass


for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
    setattr(Echo, f"do_{method}", Echo.answer)


class EchoServer(ThreadingHTTPServer):
    """A backend. is_well: what its health path says. status: of usual answers. is_announced:
    connections begin with a PROXY protocol header. asked: the paths that came.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, name: str, *, status: int = 200, is_announced: bool = False) -> None:
        self.name, self.status, self.is_announced = name, status, is_announced
        self.is_well = True
        self.asked: list[str] = []
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Echo)
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def know(self, connection: socket.socket) -> None:
        self.connections.add(connection)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What breaks off is the engines' business; a fault of ours shows as a missing answer."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            connection.close()


def read_announcement(stream: Any) -> str:
    """`version source` of the PROXY protocol header a connection begins with."""
    octets = b""
    while True:
        octets += stream.read(1)
        found = parse_proxy_header(octets)
        if found is not None:
            version = 1 if octets.startswith(b"PROXY") else 2
            return f"{version} {found.source[0] if found.source else 'nobody'}"


class Lines(socketserver.StreamRequestHandler):
    """Says the server's name, then gives back each line, then says how much came."""

    def handle(self) -> None:
        self.wfile.write(self.server.name.encode() + b"\n")
        count = 0
        for line in self.rfile:
            count += len(line)
            self.wfile.write(line)
        self.wfile.write(b"%d octets\n" % count)


class LineServer(socketserver.ThreadingTCPServer):
    """A backend of another protocol."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), Lines)
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class TalkServer:
    """A WebSocket backend that gives back what it is told."""

    def __init__(self) -> None:
        self._server = serve(self._talk, "127.0.0.1", 0)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _talk(self, connection: Any) -> None:
        for message in connection:
            connection.send(message)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
