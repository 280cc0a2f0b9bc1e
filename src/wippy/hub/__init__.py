"""Modules from elsewhere: which versions fit together, where they come from, how they get here (spec 01 §16)."""
