"""One module a command: arguments in, text or `--json` out, and an exit status."""
