"""Athena made real: its SQL, run by DuckDB over the Parquet files of the partitions that the Glue catalog has.

A file that no registered partition holds is not seen, and of those that are registered only the ones are read whose
partition values the query lets pass: `DataScannedInBytes` counts the column chunks that were read. Results lie in the
bucket of the workgroup, as Athena writes them.

What is asked is SELECT, SHOW TABLES, VIEWS, DATABASES and PARTITIONS, DESCRIBE, CREATE VIEW and DROP VIEW. Tables are
Parquet, and partitions lie in folders named `key=value`. These are differences to Athena that a query can see: the
quotient and the average of decimals are double, a double divided by zero is an error, and a function of DuckDB's that
Athena lacks is not refused.
"""

from local_aws.athena.api import mount

__all__ = ["mount"]
