"""From a model and an image to labels, probabilities and objects."""
