"""The environment variables that the processes of a local world inherit from the caller: none that holds a secret."""

import os
import re

# What finds programs and Java, names the language and the time zone, says whom to trust and which proxy to use, and
# lets a test measure its coverage. HADOOP_USER_NAME names a user whom the system does not know.
_NEEDED = (
    r"PATH|LD_LIBRARY_PATH|DYLD_\w+|LANG|LANGUAGE|LC_\w+|TZ|USER|LOGNAME|HADOOP_USER_NAME|JAVA_HOME|JAVA_TOOL_OPTIONS"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|NIX_SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(?i:https?_proxy|all_proxy|no_proxy)|COVERAGE_\w+"
)
_NO_PROXY = ("no_proxy", "NO_PROXY")


def without_proxy() -> dict[str, str]:
    """Return the variables by which programs ask no proxy for what is on this machine; for the rest they stay as set.

    What a proxy answered in place of a local world would be run as the script of a job.
    """
    given = ",".join(os.environ.get(name, "") for name in _NO_PROXY).split(",")
    hosts = dict.fromkeys([*filter(None, map(str.strip, given)), "127.0.0.1", "localhost"])
    return dict.fromkeys(_NO_PROXY, "*" if "*" in hosts else ",".join(hosts))


def inherited(also: str = "") -> dict[str, str]:
    """Return the variables that every process needs, and those whose names match the regular expression `also`.

    With them a process asks no proxy for what is on this machine.
    """
    wanted = re.compile(f"{_NEEDED}|{also}" if also else _NEEDED)
    return {name: value for name, value in os.environ.items() if wanted.fullmatch(name)} | without_proxy()
