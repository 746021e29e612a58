"""Ingest: the doors. What agencies send is taken or rejected, numbered, kept, answered and told to the others."""
