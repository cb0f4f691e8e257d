"""A prediction against a reference: one comparison, and the metrics of the field."""
