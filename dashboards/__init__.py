"""The dashboard: what the warehouse answers to the questions in `queries/`, and how the pipeline fares."""
