"""Checks what came in by the catalogue's rules, says what is wrong in which cell, and keeps the accepted figures."""
