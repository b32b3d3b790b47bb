"""The Data Catalog of moto, which shows to a role the tables that its policies let it see."""

from collections.abc import Callable

from moto.core.responses import ActionResult
from moto.glue.responses import GlueResponse

from local_aws.gate import execution
from local_aws.iam import Call, Need

_GET_TABLES: Callable[[GlueResponse], ActionResult] = GlueResponse.get_tables


def install() -> None:
    """Filter the answers of GetTables; may be called again."""
    GlueResponse.get_tables = _get_tables


def _get_tables(response: GlueResponse) -> ActionResult:
    """Show the tables of a database; to a role, those for which it has the right to `glue:GetTables`."""
    answer = _GET_TABLES(response)
    session = execution.caller(response.normalized_request.environ)
    if session:
        call = Call("glue", "GetTables", response.parameters, response.region, response.current_account)
        answer.result["TableList"] = [
            table
            for table in answer.result["TableList"]
            if session.allows(
                Need(str(call), (call.arn(f"table/{call['DatabaseName']}/{table['Name']}"),)),
                {"aws:requestedregion": call.region},
            )
        ]
    return answer
