"""EventBridge made real: what services and PutEvents report reaches the targets of the rules that match it."""

from local_aws.events.bus import REGION, emit, emit_scheduled, install

__all__ = ["REGION", "emit", "emit_scheduled", "install"]
