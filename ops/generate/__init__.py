"""Files that are generated from declarations: `python -m ops.generate` writes all of them."""
