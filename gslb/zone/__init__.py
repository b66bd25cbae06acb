"""Zones: master files read to records, records and services compiled to a tree of names, and the
walk through it.
"""
