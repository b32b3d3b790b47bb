"""The owners of the relations of a warehouse: a relation of another role could call that role's functions."""

import psycopg

from totelake.runtime.errors import WarehouseOwnerError
from totelake.warehouse.names import SCHEMA, STAGING_SCHEMA, relations

# Functions in a view, an index or a trigger run with the permissions of the role that reads or writes the relation. The
# owner of a schema can replace the tables in it by others. A superuser has the privileges of every role, so those say
# nothing about whom it trusts. Nor does a membership of the role of the connection that a role granted which could not
# act for it: who administers a group can make any role a member of it, and up to Postgres 14 every role administers
# itself. Up to Postgres 15 a role with CREATEROLE can act for every role that is no superuser.
_OWNERS = """
WITH RECURSIVE trusted (oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = current_user
    UNION
    SELECT membership.roleid
    FROM trusted
    JOIN pg_auth_members AS membership ON membership.member = trusted.oid
    JOIN pg_roles AS grantor ON grantor.oid = membership.grantor
    JOIN pg_database AS database ON database.datname = current_database()
    WHERE pg_has_role(grantor.oid, current_user, 'MEMBER') OR grantor.oid = database.datdba
        OR grantor.rolcreaterole AND current_setting('server_version_num')::int < 160000
)
SELECT used.name, pg_get_userbyid(used.owner),
    own.oid = used.owner OR owner.rolsuper OR database.datdba = used.owner
        OR NOT own.rolsuper AND pg_has_role(used.owner, 'USAGE') AND used.owner IN (SELECT oid FROM trusted)
FROM (
    SELECT relname, relowner FROM pg_class WHERE relnamespace = %s::regnamespace AND relname = ANY(%s)
    UNION ALL
    SELECT nspname, nspowner FROM pg_namespace WHERE nspname = %s
) AS used (name, owner)
JOIN pg_roles AS owner ON owner.oid = used.owner
JOIN pg_roles AS own ON own.rolname = current_user
JOIN pg_database AS database ON database.datname = current_database()
ORDER BY used.name
"""


def checked_relations(connection: psycopg.Connection) -> set[str]:
    """Return the names of the declared tables and views that exist in the warehouse of `connection`.

    Raises `WarehouseOwnerError` unless each, and the schema of the staging tables, belongs to the role of the
    connection, to one whose privileges a trusted role gave it, to the owner of the database, or to a superuser.
    """
    rows = connection.execute(_OWNERS, (SCHEMA, relations(), STAGING_SCHEMA)).fetchall()
    if others := {name: owner for name, owner, is_trusted in rows if not is_trusted}:
        raise WarehouseOwnerError(others)
    return {name for name, *_ in rows} - {STAGING_SCHEMA}
