"""The operations of Glue's API on jobs, triggers, workflows, connections and tables."""
