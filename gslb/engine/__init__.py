"""Octets in, a decision from one snapshot, octets out. Nothing here waits, reads a clock or draws a
random number.
"""
