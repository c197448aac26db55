"""Real parts for tests, the demo and the load test: processes and servers that are started, used and stopped by whoever needs them.

Each stops only what it started, by its own process id, and keeps its files in a folder given by the caller.
"""
