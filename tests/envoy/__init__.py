"""End to end: a real Envoy with the shipped configuration, a real sidecar process, an issuer that signs, an upstream that echoes."""
