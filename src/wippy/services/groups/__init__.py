"""Process groups: the kind `pg.scope` and the guest module `pg` (spec 03 §9)."""
