"""The gate before the local AWS: its requests come from programs of this machine and are signed with a key."""

from local_aws.gate.gate import Gate

__all__ = ["Gate"]
