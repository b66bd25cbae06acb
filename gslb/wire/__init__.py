"""Octets to values and back: names, queries, EDNS, client subnets, whole messages. No zone, no
decision, no socket.
"""
