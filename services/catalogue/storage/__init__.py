"""The catalogue's tables; the only SQL, never commits."""
