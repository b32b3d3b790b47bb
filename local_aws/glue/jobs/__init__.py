"""Glue jobs and their runs: definitions, arguments, preparation and execution of a run, and its log streams."""
