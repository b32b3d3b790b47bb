"""The warehouse: what a load asks of it, and the two kinds that there are, one package each."""

from totelake.warehouse.contract import FilesByTable, OpenWarehouse, Warehouse
from totelake.warehouse.kinds import ARGUMENTS, named_in

__all__ = ["ARGUMENTS", "FilesByTable", "OpenWarehouse", "Warehouse", "named_in"]
