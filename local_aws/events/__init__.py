"""EventBridge made real: what services and PutEvents report reaches the targets of the rules that match it."""

from local_aws.events.bus import emit, emit_scheduled, install
from local_aws.events.targets import register

__all__ = ["emit", "emit_scheduled", "install", "register"]
