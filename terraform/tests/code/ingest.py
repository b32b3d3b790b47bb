# Stands for the ingest script.
