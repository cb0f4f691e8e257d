"""Pictures, curves and the pages made of them."""
