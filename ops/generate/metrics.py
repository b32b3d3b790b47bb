"""terraform/metrics.json: the declared metrics, for Terraform."""

import json

from totelake.runtime.metrics import METRICS, NAMESPACE, STAGES


def terraform_input() -> str:
    """Return the namespace, the stages and the metrics as JSON."""
    declared = {
        "namespace": NAMESPACE,
        "stages": STAGES,
        "metrics": {
            metric.name: {
                "description": metric.description,
                "unit": metric.unit,
                "statistics": metric.statistics,
                "dimension_sets": metric.dimension_sets,
                "stages": metric.stages,
            }
            for metric in METRICS
        },
    }
    return json.dumps(declared, indent=2) + "\n"
