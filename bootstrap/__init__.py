"""Sets a fresh checkout up: virtual environment, exact packages, default models.

Runs before anything is installed, so it knows the standard library only (`bootstrap.models` and
`bootstrap.convert` run later, inside the environment that the rest has made).
"""
