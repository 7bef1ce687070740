"""What keys have used, and holding them to their limits."""
