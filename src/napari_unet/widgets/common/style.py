"""What the docks add to napari's own style."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_unet.widgets.common.theme import Colours

__all__ = ["style_sheet"]


def style_sheet(colours: Colours) -> str:
    """Return what the docks add to napari's own style."""
    on_accent = "#ffffff"
    return f"""
    #unetScroll, #unetColumn {{ background: transparent; }}
    #unetColumn QLabel {{ qproperty-indent: 0; }}
    QLabel[role="note"] {{ color: {colours.quiet_text}; }}
    QLabel[role="heading"] {{ color: {colours.text}; font-weight: 600; padding-top: 4px; }}
    QLabel[role="problem"] {{ color: {_readable_red(colours)}; }}
    QLabel[role="warning"] {{ color: {_readable_orange(colours)}; }}
    QWidget[invalid="true"] {{ border: 1px solid {_readable_red(colours)}; border-radius: 2px; }}
    QPushButton[role="primary"] {{
        background: {colours.accent}; color: {on_accent}; font-weight: 600;
        padding: 7px 10px; border-radius: 4px; border: 1px solid {colours.accent}; }}
    QPushButton[role="primary"]:hover {{ border: 1px solid {colours.text}; }}
    QPushButton[role="primary"]:focus {{ border: 1px solid {colours.text}; }}
    QPushButton[role="primary"]:pressed {{ background: {colours.highlight}; }}
    QPushButton[role="primary"]:disabled {{
        background: {colours.foreground}; color: {colours.quiet_text};
        border: 1px solid {colours.foreground}; }}
    QPushButton[role="fix"] {{ padding: 2px 8px; }}
    #unetColumn QPushButton:focus, #unetColumn QToolButton:focus {{
        border: 1px solid {colours.text}; }}
    #unetColumn QRadioButton, #unetColumn QCheckBox {{ border: 1px solid transparent; }}
    #unetColumn QRadioButton:focus, #unetColumn QCheckBox:focus {{
        border: 1px dashed {colours.text}; border-radius: 2px; }}
    QPushButton[role="advanced"] {{ border: none; background: transparent;
        color: {colours.text}; padding: 2px 0; text-align: left; }}
    QPushButton[role="advanced"]:hover {{ color: {colours.accent}; }}
    QPushButton[role="advanced"]:focus {{ text-decoration: underline; }}
    """


def _readable_red(colours: Colours) -> str:
    return "#ff8a80" if colours.is_dark else "#b3261e"


def _readable_orange(colours: Colours) -> str:
    return "#ffc266" if colours.is_dark else "#8a5000"
