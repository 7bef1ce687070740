"""Comparisons on the real engine; each compares two things in one run, since machines are noisy."""
