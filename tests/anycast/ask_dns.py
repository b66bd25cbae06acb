"""Asks a name server over UDP who it is (NSID), every 20 ms, on a new port each time; prints when
it asked and who answered, a JSON line each: `python ask_dns.py ADDRESS PORT NAME`.
"""

import json
import sys
import time

import dns.edns
import dns.exception
import dns.message
import dns.query

PACE_S, PATIENCE_S = 0.02, 0.25


def ask(address: str, port: int, name: str) -> str:
    query = dns.message.make_query(name, "SOA", use_edns=0, options=[dns.edns.NSIDOption(b"")])
    try:
        reply = dns.query.udp(query, address, port=port, timeout=PATIENCE_S)
    except (dns.exception.Timeout, OSError):
        return ""
    return next((one.nsid.decode() for one in reply.options if hasattr(one, "nsid")), "")


def main() -> None:
    address, port, name = sys.argv[1:]
    while True:
        at = time.monotonic()
        sys.stdout.write(json.dumps([at, ask(address, int(port), name)]) + "\n")
        sys.stdout.flush()
        time.sleep(max(0.0, PACE_S - (time.monotonic() - at)))


main()
