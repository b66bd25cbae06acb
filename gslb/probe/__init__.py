"""Probing: the schedule of checks, and how each kind of check is done."""
