"""wippy: an actor runtime for applications that agents help to write."""
