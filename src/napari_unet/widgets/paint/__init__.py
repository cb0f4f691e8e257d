"""Painting into a running training."""
