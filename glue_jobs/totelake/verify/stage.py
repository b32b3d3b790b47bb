"""The verify stage: the check of the lake as a Glue job."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import boto3

from totelake.runtime import log, metrics, retry
from totelake.runtime.errors import VerifyError
from totelake.runtime.glue import JobRun
from totelake.verify.check import LakeCheck
from totelake.verify.findings import Report
from totelake.verify.zone_objects import Show


@retry.retried("verify")
def run(run: JobRun, ingested: str, processed: str) -> Report:
    """Check the buckets `ingested` and `processed`; with the argument `--read true` read all live files.

    Each finding is logged as a line of JSON; the number of faults is the metric `LakeFaults`, also if it is 0. Raises
    `VerifyError` when there are any.
    """
    with metrics.stage("verify") as stage_metrics, log.span("verify", stage="verify") as figures:
        report = LakeCheck(ingested, processed, boto3, read=run.flag("read"), step=_logged).report()
        for finding in report.findings:
            log.event("finding", status="fault" if finding.is_fault else "information", **finding.to_json())
        figures |= {**report.checked, "faults": len(report.faults)}
        figures["findings"] = len(report.findings)
        stage_metrics.record(metrics.LAKE_FAULTS, Counter(finding.kind.value for finding in report.faults))
        if report.faults:
            stage_metrics.publish()
            raise VerifyError([f"{finding.url}: {finding.explanation}" for finding in report.faults])
    return report


@contextmanager
def _logged(name: str) -> Iterator[Show]:
    with log.span("verify_step", stage="verify", step=name):
        yield lambda _detail: None
