"""Generates files from declarations: `python -m ops.generate` writes all of them."""
