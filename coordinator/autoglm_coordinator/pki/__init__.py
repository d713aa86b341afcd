"""The coordinator's certificate authority, tokens, and who may do what."""
