"""The source: the schema of totesys, its seed, and a business that goes on."""
