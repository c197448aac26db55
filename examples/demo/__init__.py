"""``make demo``: a real Envoy, a token issuer, an upstream and the sidecar; requests go in, and a table says what was decided and why."""
