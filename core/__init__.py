"""What every part of Repertory shares: errors, ids, time, principals, the database, child processes.

Knows nothing of the web and nothing of machine learning.
"""
