"""Dock widgets: they show events, start generators, and hold no science."""
