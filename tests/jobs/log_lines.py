"""The log lines that a stage has printed."""

import json


def log_lines(capsys, event):
    """Return the log lines of that event."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]
