"""Policies, scopes and the guest module `security` (spec 05 §9-10)."""
