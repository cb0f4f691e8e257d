"""What docks are made of."""
