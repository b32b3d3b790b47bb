"""The global state of a JVM that successive job runs share, compared with its state at the start."""

import re
import time
from collections import Counter
from typing import Any

from local_aws.spark.jvm_reflection import Jvm, field_value, set_long
from local_aws.spark.shared_state import READERS

JAVA_OPTIONS = (
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.lang", "java.net", "java.security", "java.util.concurrent", "javax.net.ssl")
    ),
    "--add-exports=java.management/com.sun.jmx.mbeanserver=ALL-UNNAMED",
)
"""The options with which a JVM allows the reflective access of `jvm_reflection`."""

_THREADS_SECONDS = 3.0
"""How long the threads of a run may continue after its end."""
_POLL_SECONDS = 0.02
_QUIET_NANOSECONDS = 10_000_000

_POSTGRES = "org.postgresql.Driver"

_FIELD_HOLDER_VERSION = 19
"""The first version of Java whose Thread stores its task in a FieldHolder."""

_PRELOADED_CLASSES = (
    "org.apache.hadoop.yarn.conf.YarnConfiguration",
    "org.apache.spark.sql.artifact.ArtifactManager$",  # starts a thread that cleans up after sessions
    "org.apache.spark.util.ShutdownHookManager$",
    "org.sparkproject.jetty.util.Jetty",  # sets a system property
)
"""The classes whose loading changes global state of the JVM."""

_PYTHON_MONITOR = "org.apache.spark.api.python.PythonWorkerFactory$MonitorThread"


def _load(jvm: Jvm) -> None:
    """Load what changes the shared state on first use, and apply the settings of every run."""
    hadoop, spark = jvm.org.apache.hadoop, jvm.org.apache.spark
    hadoop.fs.FileSystem.get(hadoop.conf.Configuration())
    hadoop.fs.FileSystem.closeAll()
    for name in _PRELOADED_CLASSES:
        jvm.java.lang.Class.forName(name)
    if any(driver.getClass().getName() == _POSTGRES for driver in jvm.java.sql.DriverManager.drivers().toList()):
        spark.sql.execution.datasources.jdbc.DriverRegistry.register(_POSTGRES)
        jvm.java.lang.Class.forName("org.postgresql.util.LazyCleanerImpl")  # starts a permanent thread
    state = getattr(getattr(spark.sql.internal, "SharedState$"), "MODULE$")
    handle_urls = getattr(state, "org$apache$spark$sql$internal$SharedState$$setFsUrlStreamHandlerFactory")
    handle_urls(spark.SparkConf(), hadoop.conf.Configuration())
    level = jvm.java.lang.System.getProperty("spark.log.level", "WARN")
    spark.util.Utils.setLogLevel(jvm.org.apache.logging.log4j.Level.toLevel(level))
    # An idle worker of Java's common pool would otherwise end only after a minute.
    set_long(
        jvm, "java.util.concurrent.ForkJoinPool", "keepAlive", jvm.java.util.concurrent.ForkJoinPool.commonPool(), 1
    )
    # The thread of Netty's global executor would end a second after its last task.
    netty = "io.netty.util.concurrent"
    global_executor = field_value(jvm, f"{netty}.GlobalEventExecutor", "INSTANCE")
    quiet_period = field_value(jvm, f"{netty}.GlobalEventExecutor", "quietPeriodTask", global_executor)
    set_long(jvm, f"{netty}.ScheduledFutureTask", "periodNanos", quiet_period, -_QUIET_NANOSECONDS)


def _settings(jvm: Jvm) -> dict[str, str]:
    """Return the Java system properties that are Spark settings."""
    system = jvm.java.lang.System
    names = list(system.getProperties().stringPropertyNames())
    return {name: system.getProperty(name) for name in names if name.startswith("spark.")}


class JvmState:
    """A snapshot of the shared state of a JVM."""

    def __init__(self, jvm: Jvm) -> None:
        """Take the snapshot of `jvm`, a Py4J view."""
        _load(jvm)
        self._jvm = jvm
        self._settings = _settings(jvm)
        self._values = {name: read(jvm) for name, read in READERS.items()}
        self._threads = self._thread_ids()

    def restore_settings(self) -> None:
        """Restore the Spark settings, which each run passes as system properties."""
        for name in _settings(self._jvm).keys() - self._settings.keys():
            self._jvm.java.lang.System.clearProperty(name)
        for name, value in self._settings.items():
            self._jvm.java.lang.System.setProperty(name, value)

    def differences(self) -> list[str]:
        """Return the differences from the snapshot: the names of changed state, and new threads that still run.

        Threads have some seconds to end; idle pool workers and closed network loops are ended immediately.
        """
        changed = [name for name, read in READERS.items() if read(self._jvm) != self._values[name]]
        deadline = time.monotonic() + _THREADS_SECONDS
        for thread in self._jvm.java.lang.Thread.getAllStackTraces().keySet().toArray():
            if str(thread.getId()) not in self._threads:
                _end_idle_thread(self._jvm, thread)
        while (remaining := self._thread_ids() - self._threads) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return changed + [f"thread {self._thread_name(thread_id)}" for thread_id in remaining]

    def _thread_ids(self) -> Counter[str]:
        """Return the ids of all threads as the JVM reports them: a Thread subclass can override its own."""
        ids = _thread_beans(self._jvm).getAllThreadIds()
        return Counter(re.findall(r"\d+", self._jvm.java.util.Arrays.toString(ids)))

    def _thread_name(self, thread_id: str) -> str:
        info = _thread_beans(self._jvm).getThreadInfo(int(thread_id))
        return str(info.getThreadName()) if info else thread_id


def _thread_beans(jvm: Jvm) -> Any:
    return jvm.java.lang.management.ManagementFactory.getThreadMXBean()


def _end_idle_thread(jvm: Jvm, thread: Any) -> None:
    """End a thread that only waits: an idle pool worker, a closed Netty loop, the monitor of Python workers."""
    if thread.getClass().getName() == _PYTHON_MONITOR:
        thread.interrupt()
        return
    if jvm.java.lang.Runtime.version().feature() < _FIELD_HOLDER_VERSION:
        task = field_value(jvm, "java.lang.Thread", "target", thread)
    else:
        task = field_value(
            jvm, "java.lang.Thread$FieldHolder", "task", field_value(jvm, "java.lang.Thread", "holder", thread)
        )
    kind = None if task is None else task.getClass().getName()
    if kind == "java.util.concurrent.ThreadPoolExecutor$Worker":
        pool = field_value(jvm, kind, "this$0", task)
        pool.setKeepAliveTime(1, jvm.java.util.concurrent.TimeUnit.MILLISECONDS)
        pool.allowCoreThreadTimeOut(True)
    elif kind == "io.netty.util.concurrent.FastThreadLocalRunnable":
        command = field_value(jvm, kind, "runnable", task)
        if command.getClass().getName() == "io.netty.util.internal.ThreadExecutorMap$2":
            loop = field_value(jvm, command.getClass().getName(), "val$eventExecutor", command)
            if loop.isShuttingDown():
                set_long(
                    jvm, "io.netty.util.concurrent.SingleThreadEventExecutor", "gracefulShutdownQuietPeriod", loop, 0
                )
