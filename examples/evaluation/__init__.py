"""Measures whether an adapter is worth it: the served persona against the best prompt without one."""
