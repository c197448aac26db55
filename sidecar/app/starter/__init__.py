"""``sidecar init``: a first configuration that is valid, safe and explains itself."""
