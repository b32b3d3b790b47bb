"""The global state of a JVM that successive job runs share, compared with its state at the start."""

import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from py4j.java_gateway import JavaObject
from py4j.protocol import GATEWAY_SERVER_OBJECT_ID

JAVA_OPTIONS = (
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in ("java.lang", "java.net", "java.security", "java.util.concurrent", "javax.net.ssl")
    ),
    "--add-exports=java.management/com.sun.jmx.mbeanserver=ALL-UNNAMED",
)
"""The options with which a JVM allows the reflective access of this module."""

_THREADS_SECONDS = 3.0
"""How long the threads of a run may continue after its end."""
_POLL_SECONDS = 0.02

_POSTGRES = "org.postgresql.Driver"

_FIELD_HOLDER_VERSION = 19
"""The first version of Java whose Thread stores its task in a FieldHolder."""

type Jvm = Any
type Read = Callable[[Jvm], object]


def _identity(jvm: Jvm, value: Any) -> str:
    """Return the class name and identity hash code of a Java object."""
    return "null" if value is None else f"{value.getClass().getName()}@{jvm.java.lang.System.identityHashCode(value)}"


def _text(jvm: Jvm, value: Any) -> str:
    """Return Java's toString of an object in one request; Py4J would fetch a collection element by element."""
    return str(jvm.java.util.Objects.toString(value))


def _field(jvm: Jvm, class_name: str, name: str, owner: Any = None) -> Any:
    """Return the value of a field of any visibility: of the object `owner`, or a static one."""
    field = jvm.java.lang.Class.forName(class_name).getDeclaredField(name)
    field.setAccessible(True)
    return field.get(owner)


def _set(jvm: Jvm, class_name: str, name: str, owner: Any, value: int) -> None:
    """Set a field of type long of the object `owner`."""
    field = jvm.java.lang.Class.forName(class_name).getDeclaredField(name)
    field.setAccessible(True)
    field.setLong(owner, value)


def _static(class_name: str, *names: str) -> Read:
    """Return a function that reads the identities of the objects in static fields of a class."""
    return lambda jvm: [_identity(jvm, _field(jvm, class_name, name)) for name in names]


def _time_zone(jvm: Jvm) -> list[str]:
    zone = jvm.java.util.TimeZone.getDefault()  # a copy, so its identity is meaningless
    return [zone.getClass().getName(), _text(jvm, zone)]


def _locales(jvm: Jvm) -> list[str]:
    locale = jvm.java.util.Locale
    categories = jvm.java.lang.Class.forName("java.util.Locale$Category").getEnumConstants()
    return [_text(jvm, locale.getDefault()), *(_text(jvm, locale.getDefault(category)) for category in categories)]


def _streams(jvm: Jvm) -> list[str]:
    return [_identity(jvm, getattr(jvm.java.lang.System, name)) for name in ("in", "out", "err")]


def _providers(jvm: Jvm) -> list[str]:
    providers = jvm.java.security.Security.getProviders()
    return [f"{_identity(jvm, provider)} {provider.hashCode()}" for provider in providers]


def _java_logging(jvm: Jvm) -> list[str]:
    logging = jvm.java.util.logging
    manager = logging.LogManager.getLogManager()
    state = [_identity(jvm, manager)]
    for name in jvm.java.util.Collections.list(manager.getLoggerNames()):
        if logger := manager.getLogger(name):
            handlers = [_identity(jvm, handler) for handler in logger.getHandlers()]
            if logger.getLevel() or handlers:
                state.append(f"{name} {_text(jvm, logger.getLevel())} {handlers}")
    return sorted(state)


def _log4j(jvm: Jvm) -> list[str]:
    configuration = jvm.org.apache.logging.log4j.LogManager.getContext(False).getConfiguration()
    state = [_identity(jvm, configuration), _text(jvm, configuration.getAppenders())]
    for name, logger in sorted(configuration.getLoggers().items()):
        settings = (logger.getLevel(), logger.getAppenderRefs(), logger.getFilter())
        state.append(f"{name} {[_text(jvm, setting) for setting in settings]}")
    return state


def _jdbc(jvm: Jvm) -> list[str]:
    manager = jvm.java.sql.DriverManager
    return [
        _text(jvm, manager.drivers().toList()),
        _identity(jvm, manager.getLogWriter()),
        str(manager.getLoginTimeout()),
        _text(jvm, _field(jvm, "org.apache.spark.sql.jdbc.JdbcDialects$", "dialects")),
    ]


def _hadoop(jvm: Jvm) -> list[str]:
    file_system = "org.apache.hadoop.fs.FileSystem"
    cache = _field(jvm, file_system, "CACHE")
    return [
        _text(jvm, _field(jvm, f"{file_system}$Cache", "map", cache)),
        _text(jvm, _field(jvm, file_system, "SERVICE_FILE_SYSTEMS")),
        _text(jvm, _field(jvm, "org.apache.hadoop.conf.Configuration", "defaultResources")),
    ]


def _user(jvm: Jvm) -> list[str]:
    users = jvm.org.apache.hadoop.security.UserGroupInformation
    login = users.getLoginUser()
    return [
        _identity(jvm, login),
        _text(jvm, users.getCurrentUser()),
        _text(jvm, login.getCredentials().getAllTokens()),
    ]


def _shutdown_hooks(jvm: Jvm) -> list[str]:
    hadoop = jvm.org.apache.hadoop.util.ShutdownHookManager.get()
    return [
        str(_field(jvm, "java.lang.ApplicationShutdownHooks", "hooks").keySet().hashCode()),
        str(_field(jvm, "org.apache.hadoop.util.ShutdownHookManager", "hooks", hadoop).size()),
    ]


def _callbacks(jvm: Jvm) -> list[str]:
    server = JavaObject(GATEWAY_SERVER_OBJECT_ID, jvm._gateway_client)  # noqa: SLF001 - a JVM view has no public access to it
    client = server.getCallbackClient()
    return [_identity(jvm, client), str(client.getPort()), _text(jvm, server.getListeners())]


READERS: dict[str, Read] = {
    "system properties": lambda jvm: _text(jvm, jvm.java.util.TreeMap(jvm.java.lang.System.getProperties())),
    "time zone": _time_zone,
    "locales": _locales,
    "standard streams": _streams,
    "security properties": lambda jvm: _text(
        jvm, jvm.java.util.TreeMap(_field(jvm, "java.security.Security", "props"))
    ),
    "security providers": _providers,
    "proxy selector": lambda jvm: _identity(jvm, jvm.java.net.ProxySelector.getDefault()),
    "authenticator": lambda jvm: _identity(jvm, jvm.java.net.Authenticator.getDefault()),
    "cookie handler": lambda jvm: _identity(jvm, jvm.java.net.CookieHandler.getDefault()),
    "response cache": lambda jvm: _identity(jvm, jvm.java.net.ResponseCache.getDefault()),
    "URL handlers": _static("java.net.URL", "factory"),
    "content handlers": _static("java.net.URLConnection", "factory", "fileNameMap"),
    "socket factories": lambda jvm: [
        _static(f"java.net.{name}", "factory")(jvm) for name in ("Socket", "ServerSocket")
    ],
    "TLS": _static("javax.net.ssl.SSLContext", "defaultContext"),
    "HTTPS": _static("javax.net.ssl.HttpsURLConnection", "defaultHostnameVerifier", "defaultSSLSocketFactory"),
    "handler of uncaught exceptions": lambda jvm: _identity(
        jvm, jvm.java.lang.Thread.getDefaultUncaughtExceptionHandler()
    ),
    "shutdown hooks": _shutdown_hooks,
    "logging of java.util": _java_logging,
    "logging of log4j": _log4j,
    "JDBC drivers": _jdbc,
    "Hadoop's file systems": _hadoop,
    "Hadoop's user": _user,
    "callbacks of Py4J": _callbacks,
    "managed beans": lambda jvm: _text(
        jvm,
        jvm.java.util.TreeSet(
            jvm.java.lang.management.ManagementFactory.getPlatformMBeanServer().queryNames(None, None)
        ),
    ),
}
"""The functions that read the shared state, by its name for users; the result is equal as long as nothing changes."""


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
    _set(jvm, "java.util.concurrent.ForkJoinPool", "keepAlive", jvm.java.util.concurrent.ForkJoinPool.commonPool(), 1)


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
        task = _field(jvm, "java.lang.Thread", "target", thread)
    else:
        task = _field(jvm, "java.lang.Thread$FieldHolder", "task", _field(jvm, "java.lang.Thread", "holder", thread))
    kind = None if task is None else task.getClass().getName()
    if kind == "java.util.concurrent.ThreadPoolExecutor$Worker":
        pool = _field(jvm, kind, "this$0", task)
        pool.setKeepAliveTime(1, jvm.java.util.concurrent.TimeUnit.MILLISECONDS)
        pool.allowCoreThreadTimeOut(True)
    elif kind == "io.netty.util.concurrent.FastThreadLocalRunnable":
        command = _field(jvm, kind, "runnable", task)
        if command.getClass().getName() == "io.netty.util.internal.ThreadExecutorMap$2":
            loop = _field(jvm, command.getClass().getName(), "val$eventExecutor", command)
            if loop.isShuttingDown():
                _set(jvm, "io.netty.util.concurrent.SingleThreadEventExecutor", "gracefulShutdownQuietPeriod", loop, 0)
