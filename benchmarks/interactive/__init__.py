"""Painting into a running training, measured with a simulated annotator."""
