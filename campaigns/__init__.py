"""Long campaigns against the core: faults, mutants, fuzzing, isolation, overload. Each prints a table and leaves it in ``results``."""
