"""``sidecar test``: policy tests, decided by the engine itself."""
