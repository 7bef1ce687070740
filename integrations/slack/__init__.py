"""Personas in Slack: a program of its own, which asks a Repertory server and answers in channels."""
