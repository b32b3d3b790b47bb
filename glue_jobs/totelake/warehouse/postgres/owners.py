"""The owners of the relations of a warehouse: a relation of another role could call that role's functions."""

import psycopg

from totelake.runtime.errors import WarehouseOwnerError
from totelake.warehouse.names import SCHEMA, relations

# Functions in a view, an index or a trigger run with the permissions of the role that reads or writes the relation. A
# superuser has the privileges of every role, so those say nothing about whom it trusts.
_RELATIONS = """
SELECT c.relname, pg_get_userbyid(c.relowner),
    own.oid = c.relowner OR owner.rolsuper OR database.datdba = c.relowner
        OR NOT own.rolsuper AND pg_has_role(c.relowner, 'USAGE')
FROM pg_class AS c
JOIN pg_roles AS owner ON owner.oid = c.relowner
JOIN pg_roles AS own ON own.rolname = current_user
JOIN pg_database AS database ON database.datname = current_database()
WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY(%s)
ORDER BY c.relname
"""


def checked_relations(connection: psycopg.Connection) -> set[str]:
    """Return the names of the declared tables and views that exist in the warehouse of `connection`.

    Raises `WarehouseOwnerError` unless each belongs to the role of the connection, to one whose privileges it has, to
    the owner of the database, or to a superuser.
    """
    rows = connection.execute(_RELATIONS, (SCHEMA, relations())).fetchall()
    if others := {name: owner for name, owner, is_trusted in rows if not is_trusted}:
        raise WarehouseOwnerError(others)
    return {name for name, *_ in rows}
