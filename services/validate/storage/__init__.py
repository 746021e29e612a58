"""Validate's tables: submissions as judged, judgements, accepted figures. Never commits."""
