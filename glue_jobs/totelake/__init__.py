"""The package that ships with the Glue jobs: declarations, transforms and stages."""
