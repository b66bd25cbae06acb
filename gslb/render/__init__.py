"""The operator's proxies as the configuration of another engine: pure."""
