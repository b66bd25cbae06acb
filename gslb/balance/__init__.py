"""Which backend of a pool gets a request: pure."""
