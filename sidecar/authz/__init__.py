"""Roles, grants and requirements: compiled when the config loads, evaluated purely and synchronously."""
