"""Which route a request takes and what becomes of it: pure."""
