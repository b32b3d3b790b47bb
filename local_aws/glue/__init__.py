"""AWS Glue that runs: jobs are processes, triggers fire, workflows proceed from one node to the next.

moto's Glue keeps the catalog, the connections and the definitions of crawlers. `Glue` has jobs, triggers and workflows;
`mount` serves it, with the operations of `job_operations`, `trigger_operations`, `workflow_operations`, `crawlers`,
`connection_operations` and `catalog`.
"""

from local_aws.glue.mounted import mount
from local_aws.glue.service import Glue
from local_aws.glue.world import World

__all__ = ["Glue", "World", "mount"]
