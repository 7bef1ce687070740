"""What is kept of conversations: metadata, texts where the operator opted in, and how they go away again."""
