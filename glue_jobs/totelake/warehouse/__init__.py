"""The warehouse: the interface that a load uses, and a package for each kind, Postgres and Redshift."""

from totelake.warehouse.contract import FilesByTable, OpenWarehouse, Warehouse
from totelake.warehouse.kinds import ARGUMENTS, from_arguments

__all__ = ["ARGUMENTS", "FilesByTable", "OpenWarehouse", "Warehouse", "from_arguments"]
