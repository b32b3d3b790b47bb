"""The verify stage: the check of the lake as a Glue job."""

import boto3

from totelake.runtime import log, metrics, retry
from totelake.runtime.errors import VerifyError
from totelake.runtime.glue import JobRun
from totelake.verify.check import LakeCheck
from totelake.verify.findings import Report


@retry.retried("verify")
def run(run: JobRun, ingested: str, processed: str) -> Report:
    """Check the buckets `ingested` and `processed`; with the argument `--read true` read all live files.

    Each finding is logged as a line of JSON; the number of faults is the metric `LakeFaults`, also if it is 0. Raises
    `VerifyError` when there are any.
    """
    with metrics.stage("verify") as stage_metrics, log.span("verify", stage="verify") as figures:
        report = LakeCheck(ingested, processed, boto3, read=run.flag("read")).report()
        for finding in report.findings:
            log.event("finding", status="fault" if finding.is_fault else "information", **finding.to_json())
        figures |= {**report.checked, "findings": len(report.findings), "faults": len(report.faults)}
        figures["total_rows"] = figures.pop("rows", 0)  # without `read` none is counted
        stage_metrics.record(metrics.LAKE_FAULTS, len(report.faults))
        if report.faults:
            stage_metrics.publish()
            raise VerifyError([f"{finding.url}: {finding.explanation}" for finding in report.faults])
    return report
