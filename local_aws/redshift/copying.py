"""COPY of the Parquet files in a manifest into a table, with Redshift's checks of schema and file sizes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import parquet
from sqlglot import exp

from local_aws import parquet_nesting
from local_aws.s3.locations import Location, LocationError

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class CopyError(Exception):
    """A COPY fails; the message resembles that of Redshift."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY of Parquet files by a manifest."""

    table: exp.Table
    manifest: str

    @classmethod
    def of(cls, tree: exp.Copy) -> "Copy":
        """Return the COPY of a syntax tree; raise `CopyError` for unsupported options."""
        options = {parameter.name.upper(): parameter.args.get("expression") for parameter in tree.args["params"]}
        if not (str(options.get("FORMAT")).upper() == "PARQUET" and "MANIFEST" in options and len(options) == 2):  # noqa: PLR2004
            raise CopyError("COPY: only FORMAT AS PARQUET with a MANIFEST is supported locally")
        role = tree.args["credentials"].args.get("iam_role") if tree.args.get("credentials") else None
        if role is None or not role.name.startswith("arn:aws:iam::"):
            raise CopyError("COPY: IAM_ROLE must be the ARN of a role")
        (manifest,) = tree.args["files"]
        return cls(tree.this, manifest.name)

    def run(self, connection: psycopg.Connection[Any], account: str) -> None:
        """Append the rows of all files, in buckets of `account`, in the transaction of `connection`."""
        table = sql.Identifier(*(part.name for part in self.table.parts))
        name = table.as_string(connection)
        columns = dict(connection.execute(_COLUMNS, (name,)).fetchall())
        if not columns:
            raise CopyError(f"relation {name} does not exist")
        target = sql.SQL("COPY {} ({}) FROM STDIN").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
        with connection.cursor() as cursor, cursor.copy(target) as stream:
            for uri, file in self._files(account):
                _check_schema(uri, file.schema_arrow, columns)
                for batch in file.iter_batches(use_threads=False):
                    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        stream.write_row(row)

    def _files(self, account: str) -> Iterator[tuple[str, parquet.ParquetFile]]:
        for entry in json.loads(_object(account, self.manifest).read_bytes())["entries"]:
            file = _object(account, entry["url"])
            if entry.get("meta", {}).get("content_length") != file.stat().st_size:
                raise CopyError(f"Spectrum Scan Error: {entry['url']} has another length than in the manifest")
            yield entry["url"], parquet_nesting.open_checked(file)


def _object(account: str, uri: str) -> Path:
    """Return the file of an object; raise `CopyError` when it does not exist."""
    try:
        file = Location.of(uri, account).file()
    except LocationError as error:
        raise CopyError(f"Problem reading {uri}: {error}") from error
    if file is None:
        raise CopyError(f"Problem reading {uri}: the specified key does not exist")
    return file


def _check_schema(uri: str, schema: pa.Schema, columns: dict[str, str]) -> None:
    """Raise `CopyError` unless the file has the column types of the table, in the same order."""
    actual = [_redshift_type(field.type) for field in schema]
    expected = [
        type_name.partition("(")[0] if type_name.startswith("character varying") else type_name
        for type_name in columns.values()
    ]
    if actual != expected:
        raise CopyError(
            f"Spectrum Scan Error: file {uri} has an incompatible Parquet schema: {', '.join(actual)}; "
            f"the table has {', '.join(expected)}"
        )


def _redshift_type(arrow_type: pa.DataType) -> str:
    if pa.types.is_decimal(arrow_type):
        return f"numeric({arrow_type.precision},{arrow_type.scale})"
    if pa.types.is_timestamp(arrow_type) and arrow_type.tz is None:
        return "timestamp without time zone"
    names = {
        pa.int32(): "integer",
        pa.int64(): "bigint",
        pa.bool_(): "boolean",
        pa.string(): "character varying",
        pa.date32(): "date",
    }
    return names.get(arrow_type, str(arrow_type))
