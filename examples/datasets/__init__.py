"""The demo data sets and the program that builds them from hand-written phrases."""
