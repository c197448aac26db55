"""Credentials to identities: extraction, dispatch and verification."""
