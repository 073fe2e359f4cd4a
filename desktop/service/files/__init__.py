"""The user's files in the service: collections and their jobs, search, answers with sources, opening what was found."""
