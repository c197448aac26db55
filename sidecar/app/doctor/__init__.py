"""``sidecar doctor``: looks at everything around a configuration and says what to change."""
