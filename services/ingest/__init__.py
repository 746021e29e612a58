"""Ingest: takes packages in at every door, splits them into submissions, and carries the answers back."""
