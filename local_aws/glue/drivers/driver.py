"""The process of one job run: waits for its assignment, runs the script as `__main__`, and reports the outcome.

It is started as a file, by `leader.py`. Its standard input carries one line of JSON, the assignment, and stays open
while its parent process lives. At its end this process kills all processes of its session.

`warm_jvm.py` starts it with the number of a pipe, to which exit statuses are written. Then the started process imports
what nearly every job imports, and forks a process for each line: these are the processes of the runs. They use the
parent's JVM.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import signal
import sys
import threading
import tokenize
import traceback
import types
import warnings
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any


def _kill_session() -> None:
    """Kill every process of this session: the JVM, Python's workers, and this one last."""
    from local_aws import processes  # noqa: PLC0415 - a successful run does not need it, and the import takes time

    processes.kill_family(os.getsid(0), os.environ.get(processes.TAG, ""))
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(lifeline: io.FileIO) -> None:
    """Wait for the end of the parent process."""
    while lifeline.read(1):
        pass
    _kill_session()


def _preload() -> frozenset[str]:
    """Import what nearly every Spark job imports; return the names of the modules that are not Spark's."""
    import pyspark.sql.types  # noqa: PLC0415

    pyspark.sql.types.NumpyScalarConverter.can_convert = _is_numpy_scalar
    pyspark.sql.types.NumpyArrayConverter.can_convert = _is_numpy_vector
    spark = frozenset(sys.modules)
    import boto3  # noqa: F401, PLC0415

    return frozenset(sys.modules) - spark


def _is_numpy_scalar(_: object, value: object) -> bool:
    """Return whether `value` is a scalar of numpy.

    PySpark's own function of this name first imports its testing tools, and with them pandas, to know whether there is
    numpy: that takes half a second before the first call of the JVM.
    """
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def _is_numpy_vector(_: object, value: object) -> bool:
    """Return whether `value` is a one-dimensional array of numpy; see `_is_numpy_scalar`."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray) and value.ndim == 1


def _forget_replaced(modules: frozenset[str], path: list[str]) -> None:
    """Forget the imported `modules` if the job brings a package of theirs in its own `path`."""
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    if any(PathFinder.find_spec(name, path) for name in packages):
        for name in modules:
            sys.modules.pop(name, None)


def _connect() -> None:
    """Connect to the running JVM: not before there is a run, since each connection has a thread in it."""
    from pyspark import SparkContext  # noqa: PLC0415

    SparkContext._ensure_initialized()  # noqa: SLF001 - there is no public way to the JVM without a context
    for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
        del os.environ[name]  # only for this process, and not for those that a script may start


def _set_system_properties(settings: dict[str, str]) -> None:
    """Set the settings of this run in the JVM: Spark's configuration starts from Java's system properties."""
    from pyspark import SparkContext  # noqa: PLC0415

    properties = SparkContext._jvm.java.lang.System  # noqa: SLF001
    for name, value in settings.items():
        properties.setProperty(name, value)


def _apply_assignment(assignment: dict[str, Any], *, warm: bool) -> None:
    """Become the process of this run: its folder, variables, path, arguments and settings."""
    os.chdir(assignment["folder"])
    os.environ.update(assignment["environment"])
    if warm:
        _connect()
        # Python's workers inherit their variables from the JVM, which was started without those of the run.
        workers = {f"spark.executorEnv.{name}": value for name, value in assignment["environment"].items()}
        _set_system_properties(workers | assignment["settings"])
    sys.argv[:] = [assignment["script"], *assignment["argv"]]
    sys.path[:0] = [assignment["folder"], *assignment["python_path"]]


def _run(script: str) -> None:
    main = types.ModuleType("__main__")
    main.__file__ = script
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    with tokenize.open(script) as source:
        code = compile(source.read(), script, "exec")
    exec(code, main.__dict__)  # noqa: S102 - running the job's script is what this is for


def _reason(error: BaseException) -> str:
    """Return the last line of the traceback, without the module of the exception and without Java's frames."""
    name = type(error).__qualname__
    lines = [line for line in str(error).splitlines() if not line.startswith("\tat ")]
    return f"{name}: {'\n'.join(lines).strip()}".removesuffix(": ")


def _script_frames(error: BaseException, script: str) -> types.TracebackType | None:
    """Return the traceback from the script's first frame on."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename != script:
        trace = trace.tb_next
    return trace


class _FastExit:
    """Ends this process after its last exit handler, without the destruction of all modules, which takes 0.4 s."""

    def __init__(self) -> None:
        """Register the exit handler, which runs after all those that are registered later."""
        self.status = 1
        self._process_id = os.getpid()
        atexit.register(self._exit)

    def _exit(self) -> None:
        if os.getpid() != self._process_id:
            return  # a child of this process, with an exit status of its own
        for output in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                output.flush()
        os._exit(self.status)


def _next_line(lifeline: io.FileIO) -> bytes:
    """Return the next line; end the session if there is none."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = lifeline.read(1)
        if not piece:
            _kill_session()
        line += piece
    return bytes(line)


def _fork_for_each_line(lifeline: io.FileIO, statuses: int) -> bytes:
    """Fork a process for each line, and write its exit status to the pipe `statuses`; return the line in each of them.

    SIGTERM is sent to all processes of a run. It ends the forked process, whose status is then reported.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    gc.collect()
    gc.freeze()  # the collector of a forked process does not write to the memory that it shares with this one
    while True:
        line = _next_line(lifeline)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        with warnings.catch_warnings():
            # Python warns of threads. There are only those of OpenBLAS, which starts them again after a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            run = os.fork()
        if not run:
            os.close(statuses)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        if not run:
            return line
        _, status = os.waitpid(run, 0)
        os.write(statuses, b"%d\n" % os.waitstatus_to_exitcode(status))


def main() -> None:
    """Run one assignment; the exit status is that of the script."""
    lifeline = os.fdopen(os.dup(0), "rb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    warm = len(sys.argv) > 1
    if warm:
        preloaded = _preload()
        line = _fork_for_each_line(lifeline, int(sys.argv[1]))
    else:
        preloaded, line = frozenset(), _next_line(lifeline)
    fast_exit = _FastExit()
    assignment = json.loads(line)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True, name="lifeline").start()
    _apply_assignment(assignment, warm=warm)
    _forget_replaced(preloaded, [assignment["folder"], *assignment["python_path"]])
    try:
        _run(assignment["script"])
        fast_exit.status = 0
    except SystemExit as error:
        fast_exit.status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if error.code not in (None, 0):
            Path(assignment["outcome"]).write_text(_reason(error), encoding="utf-8")
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is how the run ended
        Path(assignment["outcome"]).write_text(_reason(error), encoding="utf-8")
        trace = _script_frames(error, assignment["script"])
        traceback.print_exception(type(error), error, trace)
        sys.exit(1)


if __name__ == "__main__":
    main()
