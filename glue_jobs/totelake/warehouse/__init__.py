"""The warehouse: what a load asks of it, and the two kinds that there are, one package each."""

from totelake.warehouse.contract import OpenWarehouse, Parts, Warehouse
from totelake.warehouse.kinds import ARGUMENTS, named_in

__all__ = ["ARGUMENTS", "OpenWarehouse", "Parts", "Warehouse", "named_in"]
