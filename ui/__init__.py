"""The reading room: Gradio pages over the Workbench."""
