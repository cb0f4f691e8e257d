"""The U-Net, its tiles, and how it is computed."""
