"""The state that all runs in one JVM share beside the context of Spark, and the functions that read it."""

from collections.abc import Callable

from py4j.java_gateway import JavaObject
from py4j.protocol import GATEWAY_SERVER_OBJECT_ID

from local_aws.spark.jvm_reflection import Jvm, field_value, identity, text

type ReadState = Callable[[Jvm], object]


def _static(class_name: str, *names: str) -> ReadState:
    """Return a function that reads the identities of the objects in static fields of a class."""
    return lambda jvm: [identity(jvm, field_value(jvm, class_name, name)) for name in names]


def _time_zone(jvm: Jvm) -> list[str]:
    zone = jvm.java.util.TimeZone.getDefault()  # a copy, so its identity is meaningless
    return [zone.getClass().getName(), text(jvm, zone)]


def _locales(jvm: Jvm) -> list[str]:
    locale = jvm.java.util.Locale
    categories = jvm.java.lang.Class.forName("java.util.Locale$Category").getEnumConstants()
    return [text(jvm, locale.getDefault()), *(text(jvm, locale.getDefault(category)) for category in categories)]


def _streams(jvm: Jvm) -> list[str]:
    return [identity(jvm, getattr(jvm.java.lang.System, name)) for name in ("in", "out", "err")]


def _providers(jvm: Jvm) -> list[str]:
    providers = jvm.java.security.Security.getProviders()
    return [f"{identity(jvm, provider)} {provider.hashCode()}" for provider in providers]


def _java_logging(jvm: Jvm) -> list[str]:
    logging = jvm.java.util.logging
    manager = logging.LogManager.getLogManager()
    state = [identity(jvm, manager)]
    for name in jvm.java.util.Collections.list(manager.getLoggerNames()):
        if logger := manager.getLogger(name):
            handlers = [identity(jvm, handler) for handler in logger.getHandlers()]
            if logger.getLevel() or handlers:
                state.append(f"{name} {text(jvm, logger.getLevel())} {handlers}")
    return sorted(state)


def _log4j(jvm: Jvm) -> list[str]:
    configuration = jvm.org.apache.logging.log4j.LogManager.getContext(False).getConfiguration()
    state = [identity(jvm, configuration), text(jvm, configuration.getAppenders())]
    for name, logger in sorted(configuration.getLoggers().items()):
        settings = (logger.getLevel(), logger.getAppenderRefs(), logger.getFilter())
        state.append(f"{name} {[text(jvm, setting) for setting in settings]}")
    return state


def _jdbc(jvm: Jvm) -> list[str]:
    manager = jvm.java.sql.DriverManager
    return [
        text(jvm, manager.drivers().toList()),
        identity(jvm, manager.getLogWriter()),
        str(manager.getLoginTimeout()),
        text(jvm, field_value(jvm, "org.apache.spark.sql.jdbc.JdbcDialects$", "dialects")),
    ]


def _hadoop(jvm: Jvm) -> list[str]:
    file_system = "org.apache.hadoop.fs.FileSystem"
    cache = field_value(jvm, file_system, "CACHE")
    return [
        text(jvm, field_value(jvm, f"{file_system}$Cache", "map", cache)),
        text(jvm, field_value(jvm, file_system, "SERVICE_FILE_SYSTEMS")),
        text(jvm, field_value(jvm, "org.apache.hadoop.conf.Configuration", "defaultResources")),
    ]


def _user(jvm: Jvm) -> list[str]:
    users = jvm.org.apache.hadoop.security.UserGroupInformation
    login = users.getLoginUser()
    return [
        identity(jvm, login),
        text(jvm, users.getCurrentUser()),
        text(jvm, login.getCredentials().getAllTokens()),
    ]


def _shutdown_hooks(jvm: Jvm) -> list[str]:
    hadoop = jvm.org.apache.hadoop.util.ShutdownHookManager.get()
    return [
        str(field_value(jvm, "java.lang.ApplicationShutdownHooks", "hooks").keySet().hashCode()),
        str(field_value(jvm, "org.apache.hadoop.util.ShutdownHookManager", "hooks", hadoop).size()),
    ]


def _callbacks(jvm: Jvm) -> list[str]:
    server = JavaObject(GATEWAY_SERVER_OBJECT_ID, jvm._gateway_client)  # noqa: SLF001 - a JVM view has no public access to it
    client = server.getCallbackClient()
    return [identity(jvm, client), str(client.getPort()), text(jvm, server.getListeners())]


READERS: dict[str, ReadState] = {
    "system properties": lambda jvm: text(jvm, jvm.java.util.TreeMap(jvm.java.lang.System.getProperties())),
    "time zone": _time_zone,
    "locales": _locales,
    "standard streams": _streams,
    "security properties": lambda jvm: text(
        jvm, jvm.java.util.TreeMap(field_value(jvm, "java.security.Security", "props"))
    ),
    "security providers": _providers,
    "proxy selector": lambda jvm: identity(jvm, jvm.java.net.ProxySelector.getDefault()),
    "authenticator": lambda jvm: identity(jvm, jvm.java.net.Authenticator.getDefault()),
    "cookie handler": lambda jvm: identity(jvm, jvm.java.net.CookieHandler.getDefault()),
    "response cache": lambda jvm: identity(jvm, jvm.java.net.ResponseCache.getDefault()),
    "URL handlers": _static("java.net.URL", "factory"),
    "content handlers": _static("java.net.URLConnection", "factory", "fileNameMap"),
    "socket factories": lambda jvm: [
        _static(f"java.net.{name}", "factory")(jvm) for name in ("Socket", "ServerSocket")
    ],
    "TLS": _static("javax.net.ssl.SSLContext", "defaultContext"),
    "HTTPS": _static("javax.net.ssl.HttpsURLConnection", "defaultHostnameVerifier", "defaultSSLSocketFactory"),
    "handler of uncaught exceptions": lambda jvm: identity(
        jvm, jvm.java.lang.Thread.getDefaultUncaughtExceptionHandler()
    ),
    "shutdown hooks": _shutdown_hooks,
    "logging of java.util": _java_logging,
    "logging of log4j": _log4j,
    "JDBC drivers": _jdbc,
    "Hadoop's file systems": _hadoop,
    "Hadoop's user": _user,
    "callbacks of Py4J": _callbacks,
    "managed beans": lambda jvm: text(
        jvm,
        jvm.java.util.TreeSet(
            jvm.java.lang.management.ManagementFactory.getPlatformMBeanServer().queryNames(None, None)
        ),
    ),
}
"""The functions that read the shared state, by its name for users; the result is equal as long as nothing changes."""
