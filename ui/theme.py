"""The Gradio theme: every colour is one of the custom properties of assets/theme.css, so both themes are one."""

from __future__ import annotations

from typing import Any

import gradio as gr

# Gradio theme variable -> value. The dark variant is the same reference: theme.css decides what it means.
_COLOURS = {
    "body_background_fill": "var(--bg)",
    "body_text_color": "var(--text)",
    "body_text_color_subdued": "var(--muted)",
    "background_fill_primary": "var(--panel)",
    "background_fill_secondary": "var(--sunk)",
    "border_color_accent": "var(--accent)",
    "border_color_accent_subdued": "var(--line)",
    "border_color_primary": "var(--line)",
    "color_accent_soft": "var(--accent-soft)",
    "link_text_color": "var(--accent)",
    "link_text_color_active": "var(--accent)",
    "link_text_color_hover": "var(--accent)",
    "link_text_color_visited": "var(--accent)",
    "code_background_fill": "var(--sunk)",
    "block_background_fill": "transparent",
    "block_border_color": "var(--line)",
    "block_info_text_color": "var(--muted)",
    "block_label_background_fill": "transparent",
    "block_label_text_color": "var(--muted)",
    "block_title_text_color": "var(--muted)",
    "panel_background_fill": "var(--panel)",
    "panel_border_color": "var(--line)",
    "accordion_text_color": "var(--text)",
    "table_text_color": "var(--text)",
    "table_border_color": "var(--line)",
    "table_even_background_fill": "var(--panel)",
    "table_odd_background_fill": "var(--sunk)",
    "table_row_focus": "var(--accent-soft)",
    "checkbox_background_color": "var(--panel)",
    "checkbox_background_color_hover": "var(--raised)",
    "checkbox_background_color_focus": "var(--panel)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--line-strong)",
    "checkbox_border_color_hover": "var(--accent)",
    "checkbox_border_color_focus": "var(--focus)",
    "checkbox_border_color_selected": "var(--accent)",
    "checkbox_label_background_fill": "var(--raised)",
    "checkbox_label_background_fill_hover": "var(--accent-soft)",
    "checkbox_label_background_fill_selected": "var(--accent-soft)",
    "checkbox_label_border_color": "var(--line)",
    "checkbox_label_text_color": "var(--text)",
    "checkbox_label_text_color_selected": "var(--text)",
    "error_background_fill": "var(--stop-soft)",
    "error_border_color": "var(--stop)",
    "error_text_color": "var(--stop)",
    "error_icon_color": "var(--stop)",
    "input_background_fill": "var(--raised)",
    "input_background_fill_focus": "var(--raised)",
    "input_border_color": "var(--line-strong)",
    "input_border_color_focus": "var(--focus)",
    "input_border_color_hover": "var(--accent)",
    "input_placeholder_color": "var(--muted)",
    "loader_color": "var(--accent)",
    "slider_color": "var(--accent)",
    "stat_background_fill": "var(--accent)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent)",
    "button_primary_border_color": "var(--accent)",
    "button_primary_text_color": "var(--accent-text)",
    "button_primary_text_color_hover": "var(--accent-text)",
    "button_secondary_background_fill": "var(--raised)",
    "button_secondary_background_fill_hover": "var(--accent-soft)",
    "button_secondary_border_color": "var(--line-strong)",
    "button_secondary_text_color": "var(--text)",
    "button_secondary_text_color_hover": "var(--text)",
}
_SHAPES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_radius": "6px",
    "block_label_text_size": "12px",
    "block_title_text_size": "12px",
    "block_title_text_weight": "500",
    "body_text_size": "14px",
    "prose_text_size": "14px",
    "input_padding": "6px 9px",
    "input_radius": "6px",
    "input_text_size": "14px",
    "layout_gap": "10px",
    "form_gap_width": "8px",
    "button_transition": "none",
    "button_small_padding": "4px 10px",
    "button_medium_padding": "7px 12px",
    "button_large_padding": "9px 14px",
    "button_small_radius": "6px",
    "button_medium_radius": "6px",
    "button_large_radius": "6px",
    "button_small_text_size": "13px",
    "button_medium_text_size": "14px",
    "button_large_text_size": "14px",
    "button_small_text_weight": "500",
    "button_medium_text_weight": "500",
    "button_large_text_weight": "600",
}


def theme() -> gr.themes.Base:
    """Fonts are the system's own: nothing is fetched from elsewhere."""
    base = gr.themes.Base(
        font=["Inter", "Segoe UI", "Helvetica Neue", "Noto Sans", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "SF Mono", "DejaVu Sans Mono", "monospace"],
    )
    values: dict[str, Any] = dict(_SHAPES)
    for name, value in _COLOURS.items():
        values[name] = value
        if hasattr(base, f"{name}_dark"):
            values[f"{name}_dark"] = value
    return base.set(**values)
