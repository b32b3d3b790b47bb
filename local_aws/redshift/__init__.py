"""The Redshift Data API made real: statements are parsed as Redshift's, and run against a Postgres in its place.

What is handed in runs in a thread of its own, as one transaction, and goes on whatever becomes of who handed it in.
Like Redshift it enforces NOT NULL and no key, sees the database as it is at the first statement after LOCK, and commits
at TRUNCATE. COPY reads Parquet from the local S3 by a manifest. It has no sessions, no parameters and no results as
CSV, and logs in as the owner of the database once the secret that is named exists.
"""

from local_aws.redshift.api import mount
from local_aws.redshift.dialect import RedshiftSyntaxError, check

__all__ = ["RedshiftSyntaxError", "check", "mount"]
