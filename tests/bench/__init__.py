"""Benchmarks: what a query costs here and in the peers, and whether memory stays flat. Not part of
`make test`.
"""
