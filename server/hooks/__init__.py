"""Signed webhooks: another program asks a persona and is called back with the answer."""
