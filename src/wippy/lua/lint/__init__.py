"""Checks of guest code that need no run: syntax, names, modules, arity, style rules (spec 02 §8)."""
