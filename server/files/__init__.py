"""Uploaded files: their bytes by content, their rows, and how a body becomes one."""
