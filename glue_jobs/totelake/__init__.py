"""The package that ships beside the Glue jobs: declarations, transforms and stages."""
