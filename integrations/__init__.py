"""Programs that talk to Repertory through its public API, as any client does."""
