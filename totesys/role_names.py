"""The names of the database roles of totesys."""

OWNER = "totesys_owner"
READER = "totelake_reader"
