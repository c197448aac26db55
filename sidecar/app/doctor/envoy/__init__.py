"""What of an Envoy configuration matters to the sidecar behind it (docs/how-to/envoy.md)."""
