"""Configuration files to ``model.settings``: YAML with positions, schema, merge, lint, guarded changes."""
