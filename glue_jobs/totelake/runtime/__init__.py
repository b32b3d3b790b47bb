"""The runtime of every job: arguments and Spark session, connections, retries, errors, locks, log and metrics."""
