"""The web dashboard: the business questions in `queries/`, and the state of the pipeline."""
