"""The simulated source database totesys: its schema, its seed data and a generator of business activity."""
