"""The Weights dock."""
