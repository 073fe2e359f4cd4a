"""From passages to an answer: the prompt, its budget, citations checked, sentences marked that nothing supports."""
