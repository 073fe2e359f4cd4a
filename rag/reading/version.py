"""The version of what reading a file gives."""

# Goes up with every change after which the same bytes give another text, other blocks or other chunks: documents of
# another version are read again.
PARSER_VERSION = 1
