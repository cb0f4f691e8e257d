"""All settings of a run, and the presets; no torch, so that forms come at once."""
