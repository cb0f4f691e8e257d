"""The Augmentation dock."""
