"""EventBridge that delivers: events of services and of PutEvents reach the targets of the rules that they match."""

from local_aws.events.bus import emit, emit_scheduled, mount
from local_aws.events.targets import Receiver

__all__ = ["Receiver", "emit", "emit_scheduled", "mount"]
