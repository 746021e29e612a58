"""The only SQL of ingest; nothing here commits."""
