"""The handlers of the control API, by topic; each module ends with its part of the route table."""
