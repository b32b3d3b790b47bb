"""COPY from Parquet: the files that a manifest lists, into a table, held to what Redshift asks of both."""

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

from local_aws.s3.locations import Location, LocationError

_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class CopyError(Exception):
    """A COPY cannot be carried out; the message is what Redshift would say, more or less."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY of Parquet files by a manifest."""

    table: exp.Table
    manifest: str

    @classmethod
    def of(cls, tree: exp.Copy) -> "Copy":
        """Return what a parsed COPY asks for; raise `CopyError` for what is not supported here."""
        words = {parameter.name.upper(): parameter.args.get("expression") for parameter in tree.args["params"]}
        if not (str(words.get("FORMAT")).upper() == "PARQUET" and "MANIFEST" in words and len(words) == 2):  # noqa: PLR2004
            raise CopyError("COPY: only FORMAT AS PARQUET with a MANIFEST runs locally")
        role = tree.args["credentials"].args.get("iam_role") if tree.args.get("credentials") else None
        if role is None or not role.name.startswith("arn:aws:iam::"):
            raise CopyError("COPY: IAM_ROLE has to be the ARN of a role")
        (manifest,) = tree.args["files"]
        return cls(tree.this, manifest.name)

    def run(self, connection: psycopg.Connection[Any], account: str) -> None:
        """Append the rows of all files, which are objects of `account`, in the transaction of `connection`."""
        table = sql.Identifier(*(part.name for part in self.table.parts))
        name = table.as_string(connection)
        columns = dict(connection.execute(_COLUMNS, (name,)).fetchall())
        if not columns:
            raise CopyError(f"relation {name} does not exist")
        target = sql.SQL("COPY {} ({}) FROM STDIN").format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
        with connection.cursor() as cursor, cursor.copy(target) as stream:
            for address, file in self._files(account):
                _check(address, file.schema_arrow, columns)
                for batch in file.iter_batches(use_threads=False):
                    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        stream.write_row(row)

    def _files(self, account: str) -> Iterator[tuple[str, parquet.ParquetFile]]:
        for entry in json.loads(_object(account, self.manifest).read_bytes())["entries"]:
            file = _object(account, entry["url"])
            if entry.get("meta", {}).get("content_length") != file.stat().st_size:
                raise CopyError(f"Spectrum Scan Error: {entry['url']} has another length than the manifest says")
            yield entry["url"], parquet.ParquetFile(file)


def _object(account: str, address: str) -> Path:
    """Return the file of an object."""
    try:
        file = Location.of(address, account).file()
    except LocationError as error:
        raise CopyError(f"Problem reading {address}: {error}") from error
    if file is None:
        raise CopyError(f"Problem reading {address}: the specified key does not exist")
    return file


def _check(address: str, schema: pa.Schema, columns: dict[str, str]) -> None:
    """Hold a file to the table: as many columns, each of a type that COPY takes, by their places."""
    found = [_redshift_type(field.type) for field in schema]
    wanted = [kind.partition("(")[0] if kind.startswith("character varying") else kind for kind in columns.values()]
    if found != wanted:
        raise CopyError(
            f"Spectrum Scan Error: file {address} has an incompatible Parquet schema: {', '.join(found)}; "
            f"the table has {', '.join(wanted)}"
        )


def _redshift_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return "timestamp without time zone"
    words = {
        pa.int32(): "integer",
        pa.int64(): "bigint",
        pa.bool_(): "boolean",
        pa.string(): "character varying",
        pa.date32(): "date",
    }
    return words.get(kind, str(kind))
