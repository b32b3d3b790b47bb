"""Metrics of the platform's own, in CloudWatch's namespace `Totelake`."""

import boto3

NAMESPACE = "Totelake"


def count(name: str, value: int, **dimensions: str) -> None:
    """Publish how many there are of something, such as `count("QuarantinedRows", 3, Table="fact_payment")`."""
    publish(name, value, "Count", **dimensions)


def publish(name: str, value: float, unit: str, **dimensions: str) -> None:
    """Publish one figure, as of now; `unit` is a word of CloudWatch's, such as Count or Seconds.

    A figure with other dimensions is another metric, so each name has the same ones everywhere.
    """
    datum = {
        "MetricName": name,
        "Value": value,
        "Unit": unit,
        "Dimensions": [{"Name": dimension, "Value": said} for dimension, said in dimensions.items()],
    }
    boto3.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
