"""Notify's tables and the only SQL; nothing here commits."""
