"""The transcript: messages as Markdown blocks, real widgets only for what is in view."""
