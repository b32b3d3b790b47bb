"""The leader of a job run: starts its driver, waits for it, and kills the processes that it leaves behind.

It is started as a file, in a session of its own. Its standard input is that of `driver.py` and stays open while the
endpoint lives: when it ends, the run ends. The exit status is that of the driver.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

_DRIVER = Path(__file__).with_name("driver.py")


def _pass_on(driver: subprocess.Popen[bytes]) -> None:
    """Pass the assignment to the driver, and exit when the endpoint has ended."""
    try:
        for line in sys.stdin.buffer:
            if driver.stdin:
                driver.stdin.write(line)
    finally:
        _kill_family()
        os._exit(1)


def _kill_family() -> None:
    from local_aws import processes  # noqa: PLC0415 - loaded while the driver starts

    processes.kill_family(os.getpid(), os.environ[processes.TAG])


def main() -> None:
    """Lead one run."""
    # SIGTERM is sent to all processes of a run: this one exits like the driver.
    signal.signal(signal.SIGTERM, lambda *_: None)
    driver = subprocess.Popen([sys.executable, "-P", "-u", str(_DRIVER)], stdin=subprocess.PIPE, bufsize=0)
    from local_aws import processes  # noqa: PLC0415 - loaded while the driver starts

    processes.adopt_orphans()
    threading.Thread(target=_pass_on, args=(driver,), daemon=True, name="lifeline").start()
    status = driver.wait()
    _kill_family()
    processes.exit_with_status(status)


if __name__ == "__main__":
    main()
