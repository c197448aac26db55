"""Istio's RequestAuthentication and AuthorizationPolicy, carried over into a configuration of this sidecar."""
