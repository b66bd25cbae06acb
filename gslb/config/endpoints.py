"""Where servers listen: the text of an address and port, and where the name server listens when
nobody says.

Apart from gslb.config.fields, so that `gslb healthcheck` has it without the schema, which takes a
second to load.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from gslb.config.words import allowed_by, shown
from gslb.model.endpoint import Endpoint

DEFAULT_DNS = (Endpoint("127.0.0.1", 5300), Endpoint("::1", 5300))


def must_be(schema: dict[str, Any], value: object) -> ValueError:
    """The error for a value that a JSON Schema does not take."""
    return ValueError(f"must be {allowed_by(schema, schema)}, not {shown(value)}")


def parse_endpoint(value: object) -> Endpoint:
    """Address and port of `192.0.2.1:53` or `[2001:db8::1]:53`."""
    problem = must_be({"type": "string", "format": "endpoint"}, value)
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not re.fullmatch("[0-9]{1,5}", port):
        raise problem
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address(bare)
    except ValueError:
        raise problem from None
    if (address.version == 6) is not host.startswith("["):
        raise problem
    if not 1 <= int(port) <= 65535:
        raise ValueError(f"the port must be a whole number from 1 to 65535, not {int(port)}")
    return Endpoint(bare, int(port))
