"""The Files page and files in a chat: their words, their parts, and all of it on a real service."""
