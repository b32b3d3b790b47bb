"""The pages: each is a function that draws it."""
