"""Published metrics, of which moto keeps every sample: a few bytes could stand for billions."""

from typing import Any, override

from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import CloudWatchBackend

from local_aws import mounting

_MAX_SAMPLES = 10_000


class LocalCloudWatchBackend(CloudWatchBackend):  # type: ignore[misc] # moto is not typed
    """CloudWatch with a limit for the number of samples."""

    @override
    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """Publish data points; raises InvalidParameterValue for too many samples of one of them."""
        for metric in metric_data:
            if not sum(float(count) for count in metric.get("Counts") or ()) <= _MAX_SAMPLES:
                raise InvalidParameterValue(f"The Counts stand for more than {_MAX_SAMPLES:,} samples.")
        super().put_metric_data(namespace, metric_data)


def mount() -> None:
    """Mount CloudWatch."""
    mounting.mount("cloudwatch", backend=LocalCloudWatchBackend)
