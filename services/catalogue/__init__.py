"""Catalogue: who owes which report by when, and what has become of it."""
