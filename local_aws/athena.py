"""What moto lacks of Athena: removing a query that is kept under a name, and saying that there is none."""

import json

from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError

_moto_get = AthenaResponse.get_named_query


def install() -> None:
    """Put the operations in the place of moto's."""
    AthenaResponse.get_named_query = _get_named_query
    AthenaResponse.delete_named_query = _delete_named_query


def _get_named_query(response: AthenaResponse) -> str:
    _known(response)
    described: str = _moto_get(response)
    return described


def _delete_named_query(response: AthenaResponse) -> str:
    response.athena_backend.named_queries.pop(_known(response))
    return json.dumps({})


def _known(response: AthenaResponse) -> str:
    """Return the id of the query that is asked for; raise Athena's error when there is none."""
    query_id: str = json.loads(response.body)["NamedQueryId"]
    if query_id not in response.athena_backend.named_queries:
        raise JsonRESTError("InvalidRequestException", f"NamedQuery {query_id} does not exist")
    return query_id
