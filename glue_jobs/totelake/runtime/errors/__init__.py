"""The errors that totelake raises, one tree.

TotelakeError                       (base)
├── TransientError                  may clear by itself: the run retries, and so does the next run
│   ├── DatabaseUnavailableError    totesys or the warehouse does not answer, or dropped the connection (databases)
│   ├── DatabaseInterruptedError    it cancelled a statement: deadlock, timeout, expired snapshot (databases)
│   ├── SourceChangedError          a totesys table was altered while it was read (source)
│   └── AwsUnavailableError         S3, the Data Catalog or another AWS service does not answer (base)
├── ArgumentError                   a job argument has an invalid value (base)
├── StorageFullError                no disk space left where the run writes (base)
├── AlreadyRunningError             another run of this stage holds its lock (base)
├── UnexpectedError                 none of the other errors covers what happened (base)
├── ConnectionSettingsError         a Glue connection or its secret is incomplete or invalid (databases)
├── DatabaseRefusedError            totesys or the warehouse denies the role access (databases)
│   └── DatabaseReadOnlyError       it accepts no writes: a standby, or a setting of the role or database (databases)
├── EncodingError                   the encoding of a database does not represent its text exactly (databases)
├── SourceSchemaError               a totesys table does not match its declaration (source)
│   └── UnreadableTableError        its rows, or their changes, cannot be read reliably (source)
├── SourceValueError                a totesys value cannot be stored exactly (source)
├── DuplicateKeyError               totesys rows have the same key, or none (source)
├── MassDeletionError               more rows of a table were deleted than the limit allows (source)
├── UnknownTableError               no table of that name is declared (declarations)
├── UnknownColumnError              no column of that name is declared (declarations)
├── SchemaError                     a DataFrame lacks columns that its table declares (declarations)
├── CommitConflictError             another run committed the same sequence number (lake)
├── LogError                        a commit log has a gap or an unreadable record (lake)
├── CatalogError                    the Glue Data Catalog rejected a partition of a committed batch (lake)
├── QuarantineError                 more rows break the rules of their table than the limit allows (lake)
├── WarehouseSchemaError            the warehouse's tables do not match the declarations and the ledger (warehouse)
│   ├── WarehouseColumnsError       a table has other columns than its declaration (warehouse)
│   ├── WarehouseDefinitionError    something is missing, and only the owner can create it (warehouse)
│   ├── WarehouseTablesError        a table is missing or empty, although rows of it were loaded (warehouse)
│   ├── WarehouseOwnerError         a table, a view or the staging schema belongs to another role (warehouse)
│   ├── WarehouseKeysError          a table lacks a key, and its rows violate it (warehouse)
│   └── WarehouseReferenceError     foreign keys of other tables block a rebuild (warehouse)
├── LedgerError                     a batch would be loaded out of order, or ledger and commit log disagree (warehouse)
├── StagingError                    the staged rows do not match the batch (warehouse)
├── OrphanError                     a fact references a missing dimension row (warehouse)
├── StatementError                  the warehouse rejected a statement (warehouse)
├── ComparisonError                 a table cannot be compared, since one side cannot be read (checks)
├── ReconcileError                  the warehouse differs from totesys, or a table could not be compared (checks)
├── CrawlError                      the crawler has produced no result to check (checks)
├── DriftError                      the ingested bucket does not match the declarations (checks)
└── VerifyError                     objects or partitions of the lake are missing or altered (checks)
"""

from totelake.runtime.errors.base import (
    AlreadyRunningError,
    ArgumentError,
    AwsUnavailableError,
    StorageFullError,
    TotelakeError,
    TransientError,
    UnexpectedError,
)
from totelake.runtime.errors.checks import ComparisonError, CrawlError, DriftError, ReconcileError, VerifyError
from totelake.runtime.errors.databases import (
    ConnectionSettingsError,
    DatabaseInterruptedError,
    DatabaseReadOnlyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    EncodingError,
)
from totelake.runtime.errors.declarations import SchemaError, UnknownColumnError, UnknownTableError
from totelake.runtime.errors.lake import CatalogError, CommitConflictError, CompactionError, LogError, QuarantineError
from totelake.runtime.errors.source import (
    DuplicateKeyError,
    MassDeletionError,
    SourceChangedError,
    SourceSchemaError,
    SourceValueError,
    UnreadableTableError,
)
from totelake.runtime.errors.warehouse import (
    LedgerError,
    OrphanError,
    StagingError,
    StatementError,
    WarehouseColumnsError,
    WarehouseDefinitionError,
    WarehouseKeysError,
    WarehouseOwnerError,
    WarehouseReferenceError,
    WarehouseSchemaError,
    WarehouseTablesError,
)

__all__ = [
    "AlreadyRunningError",
    "ArgumentError",
    "AwsUnavailableError",
    "CatalogError",
    "CommitConflictError",
    "CompactionError",
    "ComparisonError",
    "ConnectionSettingsError",
    "CrawlError",
    "DatabaseInterruptedError",
    "DatabaseReadOnlyError",
    "DatabaseRefusedError",
    "DatabaseUnavailableError",
    "DriftError",
    "DuplicateKeyError",
    "EncodingError",
    "LedgerError",
    "LogError",
    "MassDeletionError",
    "OrphanError",
    "QuarantineError",
    "ReconcileError",
    "SchemaError",
    "SourceChangedError",
    "SourceSchemaError",
    "SourceValueError",
    "StagingError",
    "StatementError",
    "StorageFullError",
    "TotelakeError",
    "TransientError",
    "UnexpectedError",
    "UnknownColumnError",
    "UnknownTableError",
    "UnreadableTableError",
    "VerifyError",
    "WarehouseColumnsError",
    "WarehouseDefinitionError",
    "WarehouseKeysError",
    "WarehouseOwnerError",
    "WarehouseReferenceError",
    "WarehouseSchemaError",
    "WarehouseTablesError",
]
