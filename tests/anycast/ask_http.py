"""Asks a proxy over HTTP, every 20 ms, on a new connection each time; prints when it asked and what
answered (`X-Node`), a JSON line each: `python ask_http.py ADDRESS PORT`.
"""

import json
import sys
import time
from http.client import HTTPConnection, HTTPException

PACE_S, PATIENCE_S = 0.02, 0.5


def ask(address: str, port: int) -> str:
    connection = HTTPConnection(address, port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
    except (HTTPException, OSError):
        return ""
    finally:
        connection.close()
    return answer.headers.get("X-Node", "") if answer.status == 200 else ""


def main() -> None:
    address, port = sys.argv[1:]
    while True:
        at = time.monotonic()
        sys.stdout.write(json.dumps([at, ask(address, int(port))]) + "\n")
        sys.stdout.flush()
        time.sleep(max(0.0, PACE_S - (time.monotonic() - at)))


main()
