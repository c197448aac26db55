"""Breaks the decision path in named ways; each break must turn the tests red that are named for it."""
