"""berth's two themes and what each tone maps to.

The hues are chosen after Okabe and Ito's set, which stays distinct under the common kinds of
colour blindness: sky blue for what is selected, bluish green for well, amber for careful,
vermilion for wrong. Green and red are never the only difference between two states.
"""

from textual.theme import Theme

# Tone → theme variable. Widgets and renderers speak tones only.
TONES = {
    "": "foreground",
    "muted": "text-dim",
    "text": "foreground",
    "dim": "text-dim",
    "faint": "text-faint",
    "ok": "success",
    "good": "success",
    "warn": "warning",
    "bad": "error",
    "error": "error",
    "info": "primary",
    "accent": "primary",
    "busy": "secondary",
    "title": "text-title",
    "cpu": "series-cpu",
    "memory": "series-memory",
    "net": "series-net",
    "block": "series-block",
}

NIGHT = Theme(
    name="berth-night",
    dark=True,
    primary="#5fb8ee",
    secondary="#d39bd8",
    accent="#5fb8ee",
    success="#43c6a3",
    warning="#f0b04a",
    error="#ff7a5c",
    foreground="#d3deea",
    background="#0c131d",
    surface="#0f1824",
    panel="#17263a",
    boost="#1b2c43",
    variables={
        "text-dim": "#8094aa",
        "text-faint": "#50637a",
        "text-title": "#f2f7fc",
        "line": "#24364d",
        "cursor-row": "#1f4468",
        "cursor-row-idle": "#1a2a3f",
        "marked-row": "#33314f",
        "match": "#6b5416",
        "match-current": "#f0b04a",
        "series-cpu": "#5fb8ee",
        "series-memory": "#d39bd8",
        "series-net": "#43c6a3",
        "series-block": "#f0b04a",
        "footer-background": "#0f1824",
        "block-cursor-background": "#1f4468",
        "block-cursor-foreground": "#f2f7fc",
        "block-cursor-text-style": "none",
        "input-selection-background": "#1f4468",
    },
)

DAY = Theme(
    name="berth-day",
    dark=False,
    primary="#0068a8",
    secondary="#8a3f92",
    accent="#0068a8",
    success="#00745a",
    warning="#9a5b00",
    error="#b93a12",
    foreground="#1c2733",
    background="#f6f8fa",
    surface="#eef2f6",
    panel="#dfe7ee",
    boost="#d3dde7",
    variables={
        "text-dim": "#53667a",
        "text-faint": "#8798a8",
        "text-title": "#0a121a",
        "line": "#c2ced9",
        "cursor-row": "#b9dcf3",
        "cursor-row-idle": "#dde6ee",
        "marked-row": "#e6dcf0",
        "match": "#f7e3b0",
        "match-current": "#f0b04a",
        "series-cpu": "#0068a8",
        "series-memory": "#8a3f92",
        "series-net": "#00745a",
        "series-block": "#9a5b00",
        "footer-background": "#eef2f6",
        "block-cursor-background": "#b9dcf3",
        "block-cursor-foreground": "#0a121a",
        "block-cursor-text-style": "none",
    },
)

THEMES = (NIGHT, DAY)
