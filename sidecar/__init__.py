"""Policy decision point for Envoy's and Istio's external authorization."""

__version__ = "0.1.0"
