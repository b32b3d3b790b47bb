"""Runs the command line as `python -m ops.cli`."""

from ops.cli import main

if __name__ == "__main__":
    main()
