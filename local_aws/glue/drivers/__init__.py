"""The processes of job runs: the leader and the driver of a run, and the JVM that waits for the next Spark run."""
