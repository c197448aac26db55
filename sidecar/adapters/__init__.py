"""The outside world behind the ports: clock, files, network, records, metrics, logs, HTTP listeners."""
