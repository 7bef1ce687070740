"""One chat turn: from a request to an answer with citations."""
