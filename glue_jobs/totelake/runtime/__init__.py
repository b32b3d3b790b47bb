"""What every job needs: its arguments and Spark session, connections, retries, errors, locks, log and metrics."""
