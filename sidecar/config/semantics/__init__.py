"""What the types cannot say: names that must exist, combinations that mean nothing or too much."""
