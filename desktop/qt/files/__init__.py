"""The Files page, and what a chat shows of files: sources, evidence, attachments."""
