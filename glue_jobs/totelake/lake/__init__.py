"""The lake: commit log and its records, objects of a batch, catalog, versions of rows, quarantined rows."""
