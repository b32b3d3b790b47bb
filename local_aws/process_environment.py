"""The environment variables that the processes of a local world inherit: none that contains a secret."""

import os
import re

# Paths of programs and Java, locale and time zone, trusted certificates and proxies, and test coverage.
# HADOOP_USER_NAME is for a user id without a name on this system.
_NEEDED = (
    r"PATH|LD_LIBRARY_PATH|DYLD_\w+|LANG|LANGUAGE|LC_\w+|TZ|USER|LOGNAME|HADOOP_USER_NAME|JAVA_HOME|JAVA_TOOL_OPTIONS"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|NIX_SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(?i:https?_proxy|all_proxy|no_proxy)|COVERAGE_\w+"
)
_NO_PROXY = ("no_proxy", "NO_PROXY")


def without_proxy() -> dict[str, str]:
    """Return the variables that exclude this machine from proxies, in addition to the hosts already excluded.

    Otherwise the response of a proxy could be run as the script of a job.
    """
    excluded = ",".join(os.environ.get(name, "") for name in _NO_PROXY).split(",")
    hosts = dict.fromkeys([*filter(None, map(str.strip, excluded)), "127.0.0.1", "localhost"])
    return dict.fromkeys(_NO_PROXY, "*" if "*" in hosts else ",".join(hosts))


def inherited(also: str = "") -> dict[str, str]:
    """Return the variables that every process needs, and those whose names match the regular expression `also`.

    They exclude this machine from proxies.
    """
    names = re.compile(f"{_NEEDED}|{also}" if also else _NEEDED)
    return {name: value for name, value in os.environ.items() if names.fullmatch(name)} | without_proxy()
