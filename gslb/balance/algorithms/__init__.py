"""The algorithms that pick a backend: one module each, and the list of them in registry.py."""
