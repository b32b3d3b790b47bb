"""The check of the lake: commit records, checkpoints, data files and catalog partitions of both zones.

The command line runs `check` with its own clients and without Spark, the Glue job runs `stage`.
"""
