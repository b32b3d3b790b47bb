"""Generates the data dictionary: every table of totesys and of the warehouse, from the declarations."""
