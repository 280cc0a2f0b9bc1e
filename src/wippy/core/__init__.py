"""Ids, errors, durations, contexts and clocks: the words every other layer speaks. No I/O."""
