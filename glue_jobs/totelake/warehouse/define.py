"""The define stage: creates what the warehouse lacks, and its roles, as its owner.

It is the only stage that logs in as the owner. The passwords of the other roles are in their secrets only: a role
without one gets a new password, and with the job argument `rotate` every role does.
"""

import json
import secrets
from typing import Any

import boto3

from totelake.runtime import log, retry
from totelake.runtime.glue import JobRun
from totelake.warehouse.contract import Warehouse
from totelake.warehouse.names import LOADER, READER


@retry.retried("define", database="the warehouse")
def run(run: JobRun, warehouse: Warehouse) -> None:
    """Define the `warehouse`, and its roles with the passwords of the secrets of the job's arguments.

    A secret is written before its role, so that a run which failed in between is completed by the next one.
    """
    client = boto3.client("secretsmanager")
    rotate = run.flag("rotate") and run.attempt == 1
    with log.span("define", stage="define", rotated=rotate):
        passwords = {
            name: _password(client, run.arguments[argument], name, rotate=rotate)
            for name, argument in ((LOADER, "loader_secret"), (READER, "reader_secret"))
        }
        warehouse.define(run, passwords)


def _password(client: Any, secret: str, name: str, *, rotate: bool) -> str:
    """Return the password in the `secret` of the role `name`, after writing a new one if there is none or to rotate."""
    if not rotate:
        try:
            return str(json.loads(client.get_secret_value(SecretId=secret)["SecretString"])["password"])
        except client.exceptions.ResourceNotFoundException:
            pass  # of a secret that Terraform has created, and that has no value yet
    password = secrets.token_urlsafe(24)
    client.put_secret_value(SecretId=secret, SecretString=json.dumps({"username": name, "password": password}))
    return password
