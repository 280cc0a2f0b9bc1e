"""Programs outside of the runtime: executors as entries, and the guest module `exec` (spec 03 §14)."""
