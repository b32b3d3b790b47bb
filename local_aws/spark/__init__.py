"""Spark on this machine: the settings of a driver of a local world, what a driver needs, and the state of its JVM."""

from local_aws.spark.driver_settings import buckets, environment, local_address, mount, settings

__all__ = ["buckets", "environment", "local_address", "mount", "settings"]
