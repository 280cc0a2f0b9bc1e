"""Contracts: definitions, bindings, and the guest module `contract` (spec 03 §10)."""
