"""HTTP/1.1 octets to values and back, and the rules of framing: pure."""
