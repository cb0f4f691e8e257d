"""Stacks of slices, read from files piece by piece."""
