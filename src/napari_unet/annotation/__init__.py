"""What labels mean: the scheme, the target, what trains and what validates, weight maps."""
