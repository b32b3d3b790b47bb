"""The lake: commit log and records, files of a batch, catalog, row versions, quarantined rows."""
