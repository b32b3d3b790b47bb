"""terraform/metrics.json: what Terraform needs to know of the metrics."""

import json

from totelake.runtime.metrics import METRICS, NAMESPACE, STAGES


def terraform_input() -> str:
    """Return the namespace, the stages and the metrics as the JSON text that Terraform reads."""
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
