"""What the sidecar costs, measured against fixed references in one interleaved run (``python -m benchmarks``)."""
