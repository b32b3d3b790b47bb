"""The settings of a local environment: ports, key and passwords."""

import json
import secrets
import string
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self
from urllib.parse import quote
from zlib import crc32

from local_aws import files
from local_aws.address import HOST, REGION
from local_aws.process_environment import without_proxy
from local_aws.state import State
from ops.sandbox.errors import DamagedSandboxError, NoSandboxError, NotASandboxError
from totesys.role_names import OWNER, READER

SUPERUSER = "postgres"
WAREHOUSE_OWNER = "warehouse_owner"
WAREHOUSE_LOADER = "warehouse_loader"  # as in totelake.warehouse.names, whose import takes longer
WAREHOUSE_READER = "warehouse_reader"
SOURCE_DATABASE = "totesys"
WAREHOUSE_DATABASE = "warehouse"
_ROLES = (SUPERUSER, OWNER, READER, WAREHOUSE_OWNER, WAREHOUSE_LOADER, WAREHOUSE_READER)


def _new_passwords() -> dict[str, str]:
    """Return a random password for each role."""
    return {role: secrets.token_urlsafe(18) for role in _ROLES}


def _new_access_key() -> str:
    """Return an access key id in the format of AWS, which some clients check."""
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def _new_secret_key() -> str:
    """Return a secret key of 240 bits in 40 characters, the length of AWS's."""
    return secrets.token_urlsafe(30)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Ports on 127.0.0.1, a password for each Postgres role, the key of the local AWS, and the state of the schedules.

    They are saved in the state folder. A local environment of an earlier version, without a key or the password of a
    role, gets one at its start.
    """

    endpoint_port: int
    postgres_port: int
    passwords: dict[str, str] = field(repr=False)
    schedules: bool = False
    access_key: str = field(default_factory=_new_access_key)
    secret_key: str = field(default_factory=_new_secret_key, repr=False)

    @classmethod
    def new(cls, endpoint_port: int, postgres_port: int) -> Self:
        """Return settings with new random passwords."""
        return cls(endpoint_port, postgres_port, _new_passwords())

    @classmethod
    def load(cls, state: State) -> Self:
        """Return the saved settings; raise `NoSandboxError`, `DamagedSandboxError` or `NotASandboxError`."""
        try:
            if not state.is_ours:
                raise NotASandboxError(state.root)
            saved = cls(**json.loads(state.world_file.read_bytes()))
            return replace(saved, passwords=_new_passwords() | saved.passwords)
        except FileNotFoundError as error:
            raise NoSandboxError(state.root) from error
        except (ValueError, TypeError) as error:
            raise DamagedSandboxError(state.world_file) from error

    def save(self, state: State) -> None:
        """Save the settings in a file that only its owner can read."""
        files.replace(state.world_file, json.dumps(asdict(self), indent=2).encode() + b"\n", mode=0o600)

    def with_schedules(self, *, schedules: bool) -> Self:
        """Return the same settings with the schedules enabled or disabled."""
        return replace(self, schedules=schedules)

    def with_ports(self, endpoint_port: int, postgres_port: int) -> Self:
        """Return the same settings with other ports."""
        return replace(self, endpoint_port=endpoint_port, postgres_port=postgres_port)

    @property
    def aws_url(self) -> str:
        """The URL of the local AWS."""
        return f"http://{HOST}:{self.endpoint_port}"

    @property
    def superuser_url(self) -> str:
        """The URL of the database `postgres` for the superuser."""
        return self._database_url(SUPERUSER, SUPERUSER)

    @property
    def totesys_url(self) -> str:
        """The URL of totesys for its owner."""
        return self._database_url(SOURCE_DATABASE, OWNER)

    @property
    def warehouse_url(self) -> str:
        """The URL of the warehouse for its owner."""
        return self._database_url(WAREHOUSE_DATABASE, WAREHOUSE_OWNER)

    @property
    def totesys_reader_url(self) -> str:
        """The URL of totesys for the role that only reads it."""
        return self._database_url(SOURCE_DATABASE, READER)

    @property
    def warehouse_reader_url(self) -> str:
        """The URL of the warehouse for the role that only reads it."""
        return self._database_url(WAREHOUSE_DATABASE, WAREHOUSE_READER)

    def login(self, database: str, role: str) -> dict[str, Any]:
        """Return the connection of `role` to `database` as a value of Terraform's variables."""
        return {
            "host": HOST,
            "port": self.postgres_port,
            "database": database,
            "username": role,
            "password": self.passwords[role],
            "revision": crc32(f"{role}\n{self.passwords[role]}".encode()),  # Terraform's state is private, as they are
        }

    def aws_environment(self) -> dict[str, str]:
        """Return the environment variables with which AWS clients use this local environment."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **without_proxy(),
        }

    def shell_environment(self, prefix: str, log_group: str) -> dict[str, str]:
        """Return the variables that the runbooks use; `prefix` is that of all names, `log_group` that of the jobs."""
        return {
            **self.aws_environment(),
            "PREFIX": prefix,
            "LOG_GROUP": log_group,
            "TOTESYS_URL": self.totesys_url,
            "TOTESYS_ADMIN_URL": self._database_url(SOURCE_DATABASE, SUPERUSER),
            "WAREHOUSE_URL": self.warehouse_url,
        }

    def urls(self, state: State) -> dict[str, str]:
        """Return the addresses, logins and folders of this local environment."""
        return {
            "aws": self.aws_url,
            "region": REGION,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "totesys": self.totesys_url,
            "warehouse": self.warehouse_url,
            "warehouse_reader": self.warehouse_reader_url,
            "lake": str(state.lake),
            "state": str(state.root),
        }

    def _database_url(self, database: str, role: str) -> str:
        role, password, database = (quote(part, safe="") for part in (role, self.passwords[role], database))
        # Another program may have the port: SCRAM does not reveal the password, and only the real server completes it.
        address = f"{HOST}:{self.postgres_port}/{database}?require_auth=scram-sha-256"
        return f"postgresql://{role}:{password}@{address}"
