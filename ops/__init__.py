"""What people run: the command line, a local environment, deployment, and the files that are generated."""
