"""Tools of the repository: set-up, generated pages, lint contracts. Not part of the distribution."""
