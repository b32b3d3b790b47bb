"""The dictionary of the data: every table of totesys and of the warehouse, from their declarations."""
