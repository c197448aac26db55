"""``make loadtest``: drives a real sidecar with h2load (and ghz, where it is installed) and checks what the replies say."""
