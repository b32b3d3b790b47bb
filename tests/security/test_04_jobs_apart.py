"""Isolation of consecutive jobs: processes, threads and JVM changes of one job cannot affect the next."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway, JavaObject, launch_gateway

from local_aws import iam
from local_aws.glue.drivers.warm import Spare
from local_aws.glue.jobs.preparation import prepare
from local_aws.glue.jobs.runs import GlueJobRun
from local_aws.spark.jvm_state import JAVA_OPTIONS, JvmState
from tests import roles
from tests.local_aws.conftest import REGION, GlueFixtures

DETACHING = {
    "own session": "subprocess.Popen(command, start_new_session=True)",
    "reparented": "subprocess.run([sys.executable, '-c', DAEMON, *command])",
    "reparented without variables": "subprocess.run([sys.executable, '-c', DAEMON, *command], env={})",
}
START_DETACHED = """
import subprocess, sys
DAEMON = "import os, sys; os.setsid(); os.fork() and os._exit(0); os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
command = [{sleep!r}, {seconds!r}]
{start}
"""


def sleepers(seconds: str) -> list[psutil.Process]:
    """Return the running processes that sleep for `seconds`."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if (process.info["cmdline"] or [])[1:] == [seconds] and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("how", DETACHING)
@pytest.mark.parametrize("state", ["SUCCEEDED", "STOPPED"])
def test_detached_processes_end_with_their_run(world: GlueFixtures, how: str, state: str):
    """Whether the run succeeds or is stopped."""
    if how == "reparented without variables" and sys.platform != "linux":
        pytest.skip("only Linux gives orphans to the process that leads a run")
    seconds = str(71230 + len(how))
    script = START_DETACHED.format(sleep=shutil.which("sleep"), seconds=seconds, start=DETACHING[how])
    name = world.job(
        f"hides-{seconds}-{state}", script + f"import time; time.sleep({1 if state == 'SUCCEEDED' else 60})"
    )
    run_id = world.start(name)
    world.wait(lambda: sleepers(seconds), bool)
    if state == "STOPPED":
        world.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert world.ended(name, run_id)["JobRunState"] == state
    assert not sleepers(seconds)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to the process that leads a run")
@pytest.mark.parametrize(
    ("end", "state", "runs"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "FAILED", 2),
        ("time.sleep(60)", "STOPPED", 2),
        ("time.sleep(1)", "SUCCEEDED", 1),
    ],
    ids=["killed", "stopped", "last run of the JVM"],
)
def test_daemon_ends_with_a_run_that_ends_its_jvm(
    world: GlueFixtures, monkeypatch: pytest.MonkeyPatch, end: str, state: str, runs: int
):
    """Otherwise it lost its parent, by which it is found, before it was looked for."""
    seconds = str(72230 + len(state))
    start = DETACHING["reparented without variables"]
    script = START_DETACHED.format(sleep=shutil.which("sleep"), seconds=seconds, start=start)
    name = world.job(f"hides-{seconds}", script + f"import os, signal, time; time.sleep(1); {end}", kind="glueetl")
    executor = world.aws.glue.executor
    monkeypatch.setattr(executor, "spare", Spare(world.aws.glue.world, runs))
    executor.spare.prepare()
    try:
        run_id = world.start(name)
        world.wait(lambda: sleepers(seconds), bool, seconds=60)
        assert executor.spare.process_id is None, "the run does not use the spare"
        if state == "STOPPED":
            world.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
        assert world.ended(name, run_id, seconds=60)["JobRunState"] == state
        assert not sleepers(seconds)
    finally:
        executor.spare.close()
        for left in sleepers(seconds):
            left.kill()


@pytest.fixture(scope="module")
def jvm() -> Iterator[Any]:
    """Start a JVM with Spark's classes, but without a Spark session."""
    jars = Path(pyspark.__file__).parent / "jars" / "*"
    port, token = launch_gateway(classpath=str(jars), javaopts=list(JAVA_OPTIONS), enable_auth=True, die_on_exit=True)
    parameters = GatewayParameters(port=port, auth_token=token, auto_convert=True, enable_memory_management=False)
    gateway = JavaGateway(gateway_parameters=parameters)
    yield gateway.jvm
    gateway.shutdown()


def test_jvm_without_lasting_changes_has_no_differences(jvm: Any):
    """Spark settings of a run are restored; threads of idle pools and closed event loops end."""
    state = JvmState(jvm)
    jvm.java.lang.System.setProperty("spark.of.a.run", "1")
    jvm.java.util.concurrent.Executors.newFixedThreadPool(1).submit(jvm.java.lang.Thread(), None)
    loops = jvm.io.netty.channel.nio.NioEventLoopGroup(1)
    loops.next().execute(jvm.java.lang.Thread())
    loops.shutdownGracefully()
    state.restore_settings()
    assert state.differences() == []


def instance(jvm: Any, name: str) -> JavaObject:
    """Return an instance of a new class that extends or implements `name`, compiled in the JVM."""
    kind = jvm.java.lang.Class.forName(name)
    keyword = "implements" if kind.isInterface() else "extends"
    methods = {
        "java.net.ProxySelector": "public java.util.List select(java.net.URI u) { return null; }"
        "public void connectFailed(java.net.URI u, java.net.SocketAddress a, java.io.IOException e) {}",
        "java.lang.Thread": 'public Other() { super("main"); setDaemon(true); } public long getId() { return 1; }'
        "public void run() { while (true) try { sleep(1000); } catch (InterruptedException e) {} }",
        "java.lang.Thread$UncaughtExceptionHandler": "public void uncaughtException(Thread t, Throwable e) {}",
        "javax.net.ssl.HostnameVerifier": "public boolean verify(String h, javax.net.ssl.SSLSession s){ return true; }",
    }.get(name, "")
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.cook(f"public class Other {keyword} {name.replace('$', '.')} {{ {methods} }}")
    return compiler.getClassLoader().loadClass("Other").getDeclaredConstructors()[0].newInstance(None)


def console(jvm: Any) -> Any:
    """Return a handler of java.util.logging."""
    return jvm.java.util.logging.ConsoleHandler()


CHANGES: dict[str, Any] = {
    "time zone": lambda j: j.java.util.TimeZone.setDefault(j.java.util.TimeZone.getTimeZone("Asia/Tokyo")),
    "locales": lambda j: j.java.util.Locale.setDefault(
        j.java.lang.Class.forName("java.util.Locale$Category").getEnumConstants()[1], j.java.util.Locale.GERMANY
    ),
    "system properties": lambda j: j.java.lang.System.setProperty("https.proxyHost", "elsewhere"),
    "security properties": lambda j: j.java.security.Security.setProperty("networkaddress.cache.ttl", "0"),
    "security providers": lambda j: j.java.security.Security.removeProvider("SunJGSS"),
    "proxy selector": lambda j: j.java.net.ProxySelector.setDefault(instance(j, "java.net.ProxySelector")),
    "authenticator": lambda j: j.java.net.Authenticator.setDefault(instance(j, "java.net.Authenticator")),
    "cookie handler": lambda j: j.java.net.CookieHandler.setDefault(j.java.net.CookieManager()),
    "standard streams": lambda j: j.java.lang.System.setOut(j.java.io.PrintStream(j.java.io.ByteArrayOutputStream())),
    "TLS": lambda j: j.javax.net.ssl.SSLContext.setDefault(j.javax.net.ssl.SSLContext.getInstance("TLSv1.2")),
    "HTTPS": lambda j: j.javax.net.ssl.HttpsURLConnection.setDefaultHostnameVerifier(
        instance(j, "javax.net.ssl.HostnameVerifier")
    ),
    "handler of uncaught exceptions": lambda j: j.java.lang.Thread.setDefaultUncaughtExceptionHandler(
        instance(j, "java.lang.Thread$UncaughtExceptionHandler")
    ),
    "shutdown hooks": lambda j: j.java.lang.Runtime.getRuntime().addShutdownHook(j.java.lang.Thread()),
    "logging of java.util": lambda j: j.java.util.logging.Logger.getLogger("").addHandler(console(j)),
    "logging of log4j": lambda j: j.org.apache.logging.log4j.core.config.Configurator.setRootLevel(
        j.org.apache.logging.log4j.Level.TRACE
    ),
    "JDBC drivers": lambda j: j.java.sql.DriverManager.setLogWriter(j.java.io.PrintWriter(j.java.lang.System.out)),
    "Hadoop's file systems": lambda j: j.org.apache.hadoop.conf.Configuration.addDefaultResource("theirs.xml"),
    "Hadoop's user": lambda j: j.org.apache.hadoop.security.UserGroupInformation.setLoginUser(
        j.org.apache.hadoop.security.UserGroupInformation.createRemoteUser("other")
    ),
    "thread main": lambda j: instance(j, "java.lang.Thread").start(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_jvm_wide_state_is_detected(jvm: Any, name: str, monkeypatch: pytest.MonkeyPatch):
    """Including a thread with the name and the id of an existing one."""
    monkeypatch.setattr("local_aws.spark.jvm_state._THREADS_SECONDS", 0.1)
    state = JvmState(jvm)
    assert state.differences() == []
    CHANGES[name](jvm)
    assert state.differences() == [name]


THIEF = """
from pyspark import SparkContext

SparkContext._ensure_initialized()
jvm = SparkContext._jvm
compiler = jvm.org.codehaus.janino.SimpleCompiler()
compiler.cook('''
public class Thief implements Runnable {
    public void run() {
        String own = System.getProperty("spark.executorEnv.AWS_SESSION_TOKEN");
        try {
            while (true) {
                String token = System.getProperty("spark.executorEnv.AWS_SESSION_TOKEN");
                if (token != null && !token.equals(own)) {
                    java.nio.file.Files.write(java.nio.file.Paths.get("%s", new String[0]), token.getBytes(),
                                              new java.nio.file.OpenOption[0]);
                    return;
                }
                Thread.sleep(10);
            }
        } catch (Exception e) { throw new RuntimeException(e); }
    }
}
''')
task = compiler.getClassLoader().loadClass("Thief").getDeclaredConstructors()[0].newInstance(None)
thief = jvm.java.lang.Thread(task)
thief.setDaemon(True)
thief.start()
import os
print(os.getsid(0))
"""
VICTIM = "import os, time; time.sleep(1); print(os.getsid(0))"


@pytest.fixture(scope="module")
def spare(world: GlueFixtures) -> Iterator[Spare]:
    """Give the local Glue a warm spare."""
    service = world.aws.glue
    service.executor.spare = Spare(service.world)
    service.executor.spare.prepare()
    yield service.executor.spare
    service.executor.spare.close()
    service.executor.spare = None


@pytest.mark.parametrize("deployed", [False, True], ids=["unknown code", "one deployment"])
def test_thread_of_a_job_cannot_read_the_token_of_the_next_job(
    world: GlueFixtures, spare: Spare, tmp_path: Path, deployed: bool
):
    """Jobs with unknown code never share a JVM, and those of one deployment do not share a changed one."""
    stolen = tmp_path / "stolen"
    scripts = {"thief": THIEF % stolen, "victim": VICTIM}
    world.deployed(*scripts.values() if deployed else ())
    jvms = []
    for name, script in scripts.items():
        job = world.job(f"{name}-{deployed}", script, kind="glueetl")
        run_id = world.start(job)
        assert world.ended(job, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
        jvms += world.output(run_id)
    assert not stolen.exists()
    assert len(set(jvms)) == 2


def test_job_with_unknown_code_gets_a_separate_jvm(world: GlueFixtures, spare: Spare):
    """The JVM of the deployment's jobs is kept for them."""
    world.deployed(VICTIM)
    session_ids = []
    # The first run may replace a JVM of the previous deployment.
    for name, script in (("first", VICTIM), ("stage", VICTIM), ("stranger", VICTIM + "\n"), ("next-stage", VICTIM)):
        spare.prepare()
        run_id = world.start(world.job(name, script, kind="glueetl"))
        assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
        session_ids += world.output(run_id)
    _, stage, stranger, next_stage = session_ids
    assert stage == next_stage != stranger


def test_jobs_of_different_deployments_do_not_share_a_jvm(world: GlueFixtures, spare: Spare):
    """Even if their own code is equal, since the code of the other jobs is not."""
    session_ids = []
    for others in ([], ["another script"]):
        world.deployed(VICTIM, *others)
        run_id = world.start(world.job(f"deployed-{len(others)}", VICTIM, kind="glueetl"))
        assert world.ended(f"deployed-{len(others)}", run_id, seconds=60)["JobRunState"] == "SUCCEEDED"
        session_ids += world.output(run_id)
    assert len(set(session_ids)) == 2


READ_OBJECTS = """
import boto3
s3 = boto3.client("s3")
for key in ("mine/1", "yours/1"):
    try:
        print(key, s3.get_object(Bucket="glue-tests", Key=key)["Body"].read().decode())
    except Exception as error:
        print(key, type(error).__name__)
"""


def test_session_policy_limits_a_run_and_its_retry(world: GlueFixtures):
    """It does not apply to the next run."""
    for key in ("mine/1", "yours/1"):
        world.put(key, "abc")
    limit = {"Effect": "Allow", "Action": "s3:GetObject"}
    policy = roles.policy(
        limit | {"Resource": [f"arn:aws:s3:::{world.bucket}/{keys}" for keys in ("mine/*", "scripts/*")]}
    )
    name = world.job("limited", READ_OBJECTS + "raise SystemExit(1)", MaxRetries=1)

    first = world.ended(name, world.start(name, ExecutionRoleSessionPolicy=policy))
    retry = world.wait(lambda: world.glue.get_job_runs(JobName=name)["JobRuns"][0], lambda run: run["Attempt"] == 1)
    for run in (first, world.ended(name, retry["Id"])):
        assert run["ExecutionRoleSessionPolicy"] == policy
        assert world.output(run["Id"]) == ["mine/1 abc", "yours/1 AccessDenied"]
    unlimited = world.start(name)
    world.ended(name, unlimited)
    assert world.output(unlimited) == ["mine/1 abc", "yours/1 abc"]


@pytest.mark.parametrize("policy", ["no policy", "{}", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'])
def test_run_with_an_invalid_session_policy_is_rejected(world: GlueFixtures, policy: str):
    """By the request; no run is started."""
    name = world.job(f"malformed-{len(policy)}", READ_OBJECTS)

    with pytest.raises(world.glue.exceptions.InvalidInputException, match="ExecutionRoleSessionPolicy is not a valid"):
        world.start(name, ExecutionRoleSessionPolicy=policy)
    assert world.glue.get_job_runs(JobName=name)["JobRuns"] == []


def test_run_with_a_session_policy_does_not_share_a_jvm(world: GlueFixtures, tmp_path: Path):
    """Otherwise it could wait for the credentials of a later run with more permissions."""
    world.deployed("script")
    command = {"ScriptLocation": world.put("scripts/shared.py", "script")}
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/shared"
    caller = {"service": "glue.amazonaws.com", "source_arn": source, "account": roles.ACCOUNT, "region": REGION}

    def deployment(policy: str | None) -> str | None:
        session = iam.assume("role", name="session", policy=policy, **caller)
        run = GlueJobRun("jr_1", "shared", "STARTING", {})
        return prepare(world.aws.glue.world, session, run, command, tmp_path).deployment

    assert deployment(None) is not None
    assert deployment(roles.policy(roles.ANYTHING)) is None
