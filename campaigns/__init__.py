"""Long campaigns against the core: faults, mutants, fuzzing, odd paths, isolation, overload, soak.

Each prints a table and leaves it in ``results``.
"""
