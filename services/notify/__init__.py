"""Tells the units' focal points (đầu mối) what is due, what they missed and what was returned, once and truly."""
