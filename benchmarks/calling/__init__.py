"""Guided calling against native: are calls well-formed, right and exact, and how long does one take."""
