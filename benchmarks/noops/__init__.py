"""Check services that decide nothing: what the fronts themselves cost. Every ratio of the table is to one of these."""
