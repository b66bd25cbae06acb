"""`python -m gslb` is the `gslb` command."""

from gslb.cli.main import main

if __name__ == "__main__":
    main()
