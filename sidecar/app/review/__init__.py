"""Access reviews: who can, what may somebody, and what a new configuration changes. Worked out from what is demanded, not by trying."""
