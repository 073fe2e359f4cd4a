"""The components of the interface. Each takes the theme, paints itself in every state and has an accessible name."""
