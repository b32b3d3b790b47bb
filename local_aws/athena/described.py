"""Descriptions of query executions in Athena's API."""

from typing import Any

from local_aws.athena.executions import QueryExecution

_ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


def execution(execution: QueryExecution) -> dict[str, Any]:
    """Return the QueryExecution structure of an execution."""
    request = execution.request
    status = {
        "State": execution.state,
        "StateChangeReason": execution.reason,
        "SubmissionDateTime": execution.submitted,
        "CompletionDateTime": execution.completed,
        "AthenaError": execution.error,
    }
    description = {
        "QueryExecutionId": execution.id,
        "Query": request.text,
        "StatementType": execution.type,
        "SubstatementType": execution.subtype,
        "ResultConfiguration": request.settings | {"OutputLocation": execution.output},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {"Database": request.database, "Catalog": request.catalog.lower()},
        "Status": {name: value for name, value in status.items() if value is not None},
        "Statistics": _statistics(execution),
        "WorkGroup": request.workgroup,
        "EngineVersion": _ENGINE,
    }
    return description | ({"ExecutionParameters": request.parameters} if request.parameters else {})


def runtime_statistics(execution: QueryExecution) -> dict[str, Any]:
    """Return the QueryRuntimeStatistics structure of an execution: its timeline and row counts."""
    statistics = _statistics(execution)
    timeline = {name: value for name, value in statistics.items() if name.endswith("InMillis")}
    return {"Timeline": timeline, "Rows": {"InputBytes": execution.scanned, "OutputRows": execution.rows}}


def _statistics(execution: QueryExecution) -> dict[str, Any]:
    total_seconds = (execution.completed - execution.submitted).total_seconds() if execution.completed else 0.0
    return {
        "EngineExecutionTimeInMillis": _millis(execution.engine_seconds),
        "DataScannedInBytes": execution.scanned,
        "TotalExecutionTimeInMillis": _millis(total_seconds),
        "QueryQueueTimeInMillis": 0,
        "QueryPlanningTimeInMillis": 0,
        "ServicePreProcessingTimeInMillis": 0,
        "ServiceProcessingTimeInMillis": _millis(execution.writing_seconds),
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }


def _millis(seconds: float) -> int:
    return round(seconds * 1000)
