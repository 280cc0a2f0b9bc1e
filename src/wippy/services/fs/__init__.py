"""File systems as entries, and the guest module `fs` (spec 04a §4)."""
