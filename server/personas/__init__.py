"""Personas: the YAML files, their schema, and the set that serves at the moment."""
