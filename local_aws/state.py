"""The paths in the state folder of a local world."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class State:
    """The folder with the persistent state of a local world."""

    root: Path

    @property
    def is_ours(self) -> bool:
        """Whether the folder belongs to the user of this process: another one could put anything into it, or links."""
        return self.root.stat().st_uid == os.geteuid()

    @property
    def world_file(self) -> Path:
        """Ports, region and credentials of the world, as JSON, readable only by its owner."""
        return self.root / "world.json"

    @property
    def postgres(self) -> Path:
        """The Postgres cluster with the databases `totesys` and `warehouse`."""
        return self.root / "postgres"

    @property
    def lake(self) -> Path:
        """The S3 buckets: the object `s3://bucket/key` is the file `lake/bucket/key`."""
        return self.root / "s3"

    @property
    def s3_meta(self) -> Path:
        """The attributes of S3 objects, noncurrent versions and unfinished uploads."""
        return self.root / "s3-meta"

    @property
    def terraform(self) -> Path:
        """The Terraform configuration that was applied to this world, with its state."""
        return self.root / "terraform"

    @property
    def jobs(self) -> Path:
        """One working directory for each Glue job run, named by its run id."""
        return self.root / "jobs"

    @property
    def deployed_code(self) -> Path:
        """The SHA-256 of each code file of the last deployment, as JSON."""
        return self.root / "deployed-code.json"

    @property
    def inbox(self) -> Path:
        """The e-mails that SNS delivered, one file each."""
        return self.root / "inbox"

    @property
    def logs(self) -> Path:
        """The logs of the endpoint and of Postgres."""
        return self.root / "logs"
