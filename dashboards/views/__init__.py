"""The pages: each module draws one with `show`."""
