"""Paths that two readers could read in two ways, through real Envoys and the sidecar to real upstream stacks.

No path that a rule lets through may reach a handler that asks for more than that rule does. Every path is made from a seed and
its number, so that each can be had again.
"""
