"""From the schema's models to ``model.settings``: paths made absolute, defaults filled in, places kept."""
