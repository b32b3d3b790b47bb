"""What the local AWS expects of the moto that is installed: every name that it overrides, by the registry of mounts."""

import inspect
from collections.abc import Iterator
from typing import Any, override

import boto3
import pytest
from botocore.credentials import Credentials

from local_aws import mounting
from local_aws.gate import execution
from local_aws.server import LocalAws
from local_aws.state import State
from tests.local_aws.conftest import OWNER

_OF_PYTHON = set(dir(object)) | {"__module__", "__dict__", "__weakref__", "__annotations__", "__static_attributes__"}
_OF_PYTHON |= {"__firstlineno__", "__annotate_func__", "__annotations_cache__", "__classdictcell__", "__parameters__"}


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, mounting.Mount]:
    """Return all that a local AWS with a Redshift mounts."""
    with LocalAws(State(tmp_path_factory.mktemp("state")), OWNER, redshift_database=lambda *_: "") as _:
        return dict(mounting.mounts())


def is_of_moto(cls: type) -> bool:
    """Whether a class is moto's own."""
    return cls.__module__.split(".")[0] == "moto"


def own_members(subclass: type) -> Iterator[tuple[str, Any, list[type]]]:
    """Yield the names that a subclass and its bases of ours define, with moto's classes behind each."""
    for place, cls in enumerate(subclass.__mro__):
        if cls.__module__.split(".")[0] == "local_aws":
            moto = [base for base in subclass.__mro__[place + 1 :] if is_of_moto(base)]
            for name, member in vars(cls).items():
                if name not in _OF_PYTHON and not name.startswith("__abstract"):
                    yield name, member, moto


def is_marked(member: Any) -> bool:
    """Whether a member has `@override`."""
    function = member.fget if isinstance(member, property) else member
    return getattr(function, "__override__", False)


def misfit(own: Any, moto: Any) -> str | None:
    """Return why our function cannot take the calls that moto's takes; None when it can."""
    if isinstance(own, property) or isinstance(moto, property):
        return None if isinstance(own, property) == isinstance(moto, property) else "one is a property"
    if not callable(own) or not callable(moto):
        return None
    own_parameters, moto_parameters = (inspect.signature(each).parameters for each in (own, moto))
    variable = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    takes_more = any(parameter.kind in variable for parameter in own_parameters.values())
    lacking = [name for name in moto_parameters if name not in own_parameters and not takes_more]
    unknown = [
        name
        for name, parameter in own_parameters.items()
        if name not in moto_parameters and parameter.kind not in variable
    ]
    return f"moto's parameters {lacking} are missing, {unknown} are none of moto's" if lacking or unknown else None


def problems(subclass: type) -> list[str]:
    """Return what of a subclass does not agree with the installed moto."""
    found = []
    for name, member, bases in own_members(subclass):
        moto = next((vars(base)[name] for base in bases if name in vars(base)), None)
        if is_marked(member) and moto is None:
            found.append(f"{subclass.__name__}.{name}: moto has no such name any more")
        elif moto is not None and not is_marked(member) and (callable(member) or isinstance(member, property)):
            found.append(f"{subclass.__name__}.{name}: is moto's too, so that it needs @override")
        elif moto is not None and (reason := misfit(member, moto)):
            found.append(f"{subclass.__name__}.{name}: {reason}")
    return found


def test_every_overridden_name_is_moto_s_with_its_signature(mounts):
    """An update of moto that renames one is noticed here, by the name."""
    subclasses = [each for mount in mounts.values() for each in mount.subclasses]

    assert [problem for each in [*subclasses, execution.CheckedResponse] for problem in problems(each)] == []


def test_an_operation_that_moto_lacks_is_one_of_the_service(mounts):
    """Moto calls a method of a response by the operation's name; it is to be noticed when moto calls it otherwise."""
    for service, mount in mounts.items():
        responses = [each for each in mount.subclasses if hasattr(each, "dispatch")]
        names = {name for each in responses for name, member, _ in own_members(each) if not is_marked(member)}
        client = boto3.client(service, "eu-west-2", aws_access_key_id="x", aws_secret_access_key="x")
        operations = set(client.meta.method_to_api_mapping)
        public = {name for name in names if not name.startswith("_")}
        assert public - operations <= {"glue"}, service


def test_every_service_is_mounted_in_the_registry_that_moto_uses(mounts):
    """All nine have a subclass of moto's backend or response."""
    expected = {"athena", "cloudwatch", "events", "glue", "redshift-data", "s3", "scheduler", "sns", "sts"}
    assert mounts.keys() == expected
    assert all(mount.subclasses for mount in mounts.values())


def test_nothing_of_moto_is_changed(tmp_path):
    """Its backends are in the registries again when everything is unmounted."""
    with LocalAws(State(tmp_path), Credentials("local", "local"), redshift_database=lambda *_: ""):
        registries = [mount.registry for mount in mounting.mounts().values()]
        assert not any(is_of_moto(registry.backend.__mro__[1]) for registry in registries)

    mounting.unmount_all()

    assert all(is_of_moto(registry.backend) for registry in registries)
    assert mounting.mounts() == {}


def test_a_renamed_method_is_noticed():
    """The check itself fails where it has to."""

    class Moto:
        def present(self, name): ...

    Moto.__module__ = "moto.service.models"

    class Ours(Moto):
        @override
        def present(self, title): ...

        @override
        def gone(self): ...

    Ours.__module__ = "local_aws.service"

    assert problems(Ours) == [
        "Ours.present: moto's parameters ['name'] are missing, ['title'] are none of moto's",
        "Ours.gone: moto has no such name any more",
    ]
