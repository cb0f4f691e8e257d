"""From stacks and settings to a trained network."""
