"""moto's Data Catalog, which shows a role only the tables that its policies allow."""

from typing import override

from moto.core.responses import ActionResult
from moto.glue.responses import GlueResponse

from local_aws.gate import execution
from local_aws.iam import Call, Need


class CatalogOperations(GlueResponse):  # type: ignore[misc] # moto is not typed
    """The operations on tables whose results are filtered."""

    @override
    def get_tables(self) -> ActionResult:
        """Return the tables of a database; to a role, those on which it has the right to `glue:GetTables`."""
        answer = super().get_tables()
        session = execution.caller(self.normalized_request.environ)
        if session:
            call = Call("glue", "GetTables", self.parameters, self.region, self.current_account)
            answer.result["TableList"] = [
                table
                for table in answer.result["TableList"]
                if session.allows(
                    Need(str(call), (call.arn(f"table/{call['DatabaseName']}/{table['Name']}"),)),
                    {"aws:requestedregion": call.region},
                )
            ]
        return answer
