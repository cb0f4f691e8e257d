"""The command ``napari-unet``, also as ``python -m napari_unet``."""

from __future__ import annotations

# What the signal module is made of: nothing is to be waited for here.
import _signal as signal  # type: ignore[import-not-found]
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process; return its exit code."""
    # Ctrl-C while modules are imported would be a traceback from the middle of one of them.
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from napari_unet.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()


if __name__ == "__main__":
    sys.exit(main())
