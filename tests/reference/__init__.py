"""An independent evaluator of a whole decision, written from the documents alone: slow, obvious, and sharing no code with the product."""
