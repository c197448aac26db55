"""The exit codes of every command (``docs/reference/cli.md``). Part of the public interface."""

OK = 0
"""Done; the answer is yes."""
NEGATIVE = 1
"""The configuration is invalid, the token is rejected, the key does not exist: the answer is no."""
USAGE = 2
"""The command line itself is wrong (click's own code)."""
FAILED = 3
"""It could not be done or found out: a file cannot be written, keys cannot be fetched."""
