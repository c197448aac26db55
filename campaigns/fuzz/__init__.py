"""Decisions compared with an independent evaluator, and every parser fed with mutations."""
