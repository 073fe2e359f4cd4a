"""The service process: one per data folder; the composition root, both listeners, chats and jobs."""
