"""Train the 2015 U-Net on your own image stack, in napari or without it."""

__all__ = ["__version__"]
__version__ = "0.1.0"
