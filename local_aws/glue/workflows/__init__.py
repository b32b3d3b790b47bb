"""Triggers and workflows: their graph, their runs, and how a run is resumed."""
