"""Jobs that run one after the other: none leaves anything behind that could take what belongs to the next."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway, JavaObject, launch_gateway

from local_aws import glue, iam
from local_aws.glue.job_runs import JobRun
from local_aws.glue.preparation import prepare
from local_aws.glue.warm import Spare
from local_aws.jvm_state import JAVA_OPTIONS, JvmState
from tests import roles
from tests.local_aws.conftest import REGION, GlueWorld

HIDING = {
    "in a session of its own": "subprocess.Popen(command, start_new_session=True)",
    "without its parent": "subprocess.run([sys.executable, '-c', DAEMON, *command])",
    "without parent and variables": "subprocess.run([sys.executable, '-c', DAEMON, *command], env={})",
}
HIDE = """
import subprocess, sys
DAEMON = "import os, sys; os.setsid(); os.fork() and os._exit(0); os.setsid(); os.execv(sys.argv[1], sys.argv[1:])"
command = [{sleep!r}, {seconds!r}]
{start}
"""


def sleepers(seconds: str) -> list[psutil.Process]:
    """Return the living processes that sleep for so many seconds."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if (process.info["cmdline"] or [])[1:] == [seconds] and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("how", HIDING)
@pytest.mark.parametrize("state", ["SUCCEEDED", "STOPPED"])
def test_a_process_ends_with_its_run_wherever_it_hides(world: GlueWorld, how: str, state: str):
    """Whether the run ends well or is stopped."""
    if how == "without parent and variables" and sys.platform != "linux":
        pytest.skip("only Linux gives orphans to the process that leads a run")
    seconds = str(71230 + len(how))
    script = HIDE.format(sleep=shutil.which("sleep"), seconds=seconds, start=HIDING[how])
    name = world.job(
        f"hides-{seconds}-{state}", script + f"import time; time.sleep({1 if state == 'SUCCEEDED' else 60})"
    )
    run_id = world.start(name)
    world.wait(lambda: sleepers(seconds), bool)
    if state == "STOPPED":
        world.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    assert world.ended(name, run_id)["JobRunState"] == state
    assert not sleepers(seconds)


@pytest.fixture(scope="module")
def jvm() -> Iterator[Any]:
    """Start a JVM that has Spark's classes and no Spark."""
    jars = Path(pyspark.__file__).parent / "jars" / "*"
    port, token = launch_gateway(classpath=str(jars), javaopts=list(JAVA_OPTIONS), enable_auth=True, die_on_exit=True)
    parameters = GatewayParameters(port=port, auth_token=token, auto_convert=True, enable_memory_management=False)
    gateway = JavaGateway(gateway_parameters=parameters)
    yield gateway.jvm
    gateway.shutdown()


def test_an_untouched_jvm_is_as_it_was(jvm: Any):
    """Settings of Spark are a run's own and are taken back; threads of a pool without work, and closed loops, end."""
    state = JvmState(jvm)
    jvm.java.lang.System.setProperty("spark.of.a.run", "1")
    jvm.java.util.concurrent.Executors.newFixedThreadPool(1).submit(jvm.java.lang.Thread(), None)
    loops = jvm.io.netty.channel.nio.NioEventLoopGroup(1)
    loops.next().execute(jvm.java.lang.Thread())
    loops.shutdownGracefully()
    state.restore_settings()
    assert state.differences() == []


def instance(jvm: Any, name: str) -> JavaObject:
    """Return an object of a class that extends or implements `name` and is compiled in the JVM."""
    kind = jvm.java.lang.Class.forName(name)
    word = "implements" if kind.isInterface() else "extends"
    methods = {
        "java.net.ProxySelector": "public java.util.List select(java.net.URI u) { return null; }"
        "public void connectFailed(java.net.URI u, java.net.SocketAddress a, java.io.IOException e) {}",
        "java.lang.Thread": 'public Other() { super("main"); setDaemon(true); } public long getId() { return 1; }'
        "public void run() { while (true) try { sleep(1000); } catch (InterruptedException e) {} }",
        "java.lang.Thread$UncaughtExceptionHandler": "public void uncaughtException(Thread t, Throwable e) {}",
        "javax.net.ssl.HostnameVerifier": "public boolean verify(String h, javax.net.ssl.SSLSession s){ return true; }",
    }.get(name, "")
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.cook(f"public class Other {word} {name.replace('$', '.')} {{ {methods} }}")
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
def test_what_a_run_changes_for_the_whole_jvm_is_noticed(jvm: Any, name: str, monkeypatch: pytest.MonkeyPatch):
    """Whatever it is; a thread counts, although it has the name of another one and says that it has its number."""
    monkeypatch.setattr("local_aws.jvm_state._THREADS_SECONDS", 0.1)
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
def spare(world: GlueWorld) -> Iterator[Spare]:
    """Give the local Glue a warm spare."""
    service = glue.service()
    service.executor.spare = Spare(service.world)
    service.executor.spare.prepare()
    yield service.executor.spare
    service.executor.spare.close()
    service.executor.spare = None


@pytest.mark.parametrize("deployed", [False, True], ids=["of strangers", "of one deployment"])
def test_a_thread_left_behind_reads_no_token_of_the_next_job(
    world: GlueWorld, spare: Spare, tmp_path: Path, deployed: bool
):
    """Jobs of strangers never share a JVM; those of one deployment do not share one that is not as it was."""
    loot = tmp_path / "loot"
    scripts = {"thief": THIEF % loot, "victim": VICTIM}
    world.deployed(*scripts.values() if deployed else ())
    jvms = []
    for name, script in scripts.items():
        job = world.job(f"{name}-{deployed}", script, kind="glueetl")
        run_id = world.start(job)
        assert world.ended(job, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
        jvms += world.output(run_id)
    assert not loot.exists()
    assert len(set(jvms)) == 2


def test_a_job_of_a_stranger_gets_a_jvm_that_no_deployed_job_has_used(world: GlueWorld, spare: Spare):
    """The one that waits for the jobs of the deployment goes on waiting for them."""
    world.deployed(VICTIM)
    led = []
    # The first run may meet a JVM of the deployment before, which ends then.
    for name, script in (("first", VICTIM), ("stage", VICTIM), ("stranger", VICTIM + "\n"), ("next-stage", VICTIM)):
        spare.prepare()
        run_id = world.start(world.job(name, script, kind="glueetl"))
        assert world.ended(name, run_id, seconds=60)["JobRunState"] == "SUCCEEDED", world.output(run_id, "error")
        led += world.output(run_id)
    _, stage, stranger, next_stage = led
    assert stage == next_stage != stranger


def test_a_job_of_the_next_deployment_shares_no_jvm_with_the_last(world: GlueWorld, spare: Spare):
    """Although its own code is the same: the code of the other jobs is not."""
    led = []
    for others in ([], ["another script"]):
        world.deployed(VICTIM, *others)
        run_id = world.start(world.job(f"deployed-{len(others)}", VICTIM, kind="glueetl"))
        assert world.ended(f"deployed-{len(others)}", run_id, seconds=60)["JobRunState"] == "SUCCEEDED"
        led += world.output(run_id)
    assert len(set(led)) == 2


LOOK = """
import boto3
s3 = boto3.client("s3")
for key in ("mine/1", "yours/1"):
    try:
        print(key, s3.get_object(Bucket="glue-tests", Key=key)["Body"].read().decode())
    except Exception as error:
        print(key, type(error).__name__)
"""


def test_a_run_may_do_no_more_than_its_session_policy_allows(world: GlueWorld):
    """Neither it nor its retry; the next run has none."""
    for key in ("mine/1", "yours/1"):
        world.put(key, "abc")
    limit = {"Effect": "Allow", "Action": "s3:GetObject"}
    policy = roles.policy(
        limit | {"Resource": [f"arn:aws:s3:::{world.bucket}/{keys}" for keys in ("mine/*", "scripts/*")]}
    )
    name = world.job("limited", LOOK + "raise SystemExit(1)", MaxRetries=1)

    first = world.ended(name, world.start(name, ExecutionRoleSessionPolicy=policy))
    retry = world.wait(lambda: world.glue.get_job_runs(JobName=name)["JobRuns"][0], lambda run: run["Attempt"] == 1)
    for run in (first, world.ended(name, retry["Id"])):
        assert run["ExecutionRoleSessionPolicy"] == policy
        assert world.output(run["Id"]) == ["mine/1 abc", "yours/1 AccessDenied"]
    free = world.start(name)
    world.ended(name, free)
    assert world.output(free) == ["mine/1 abc", "yours/1 abc"]


@pytest.mark.parametrize("policy", ["no policy", "{}", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}'])
def test_a_run_with_a_session_policy_that_is_none_is_refused(world: GlueWorld, policy: str):
    """At once, and nothing has started."""
    name = world.job(f"malformed-{len(policy)}", LOOK)

    with pytest.raises(world.glue.exceptions.InvalidInputException, match="ExecutionRoleSessionPolicy is not a valid"):
        world.start(name, ExecutionRoleSessionPolicy=policy)
    assert world.glue.get_job_runs(JobName=name)["JobRuns"] == []


def test_a_run_with_a_session_policy_shares_no_jvm(world: GlueWorld, tmp_path: Path):
    """Else it could wait there for the credentials of the next run, which has more rights."""
    world.deployed("script")
    command = {"ScriptLocation": world.put("scripts/shared.py", "script")}
    source = f"arn:aws:glue:{REGION}:{roles.ACCOUNT}:job/shared"
    who = {"service": "glue.amazonaws.com", "source_arn": source, "account": roles.ACCOUNT, "region": REGION}

    def deployment(policy: str | None) -> str | None:
        session = iam.assume("role", name="session", policy=policy, **who)
        run = JobRun("jr_1", "shared", "STARTING", {})
        return prepare(glue.service().world, session, run, command, tmp_path).deployment

    assert deployment(None) is not None
    assert deployment(roles.policy(roles.ANYTHING)) is None
