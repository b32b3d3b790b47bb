"""The same AWS on a laptop: endpoint, executor, schedules, inbox and the command line."""
