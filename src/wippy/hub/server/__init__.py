"""A hub: a directory of packs behind the operations of `wippy.hub.protocol` (`wippy hub serve`).

In the directory are `hub.db` (modules, versions, hashes of tokens), `packs/` (packs by digest) and `incoming/` (uploads
that are not complete). A version exists from the moment its row is committed: its pack is on the disk before that.
"""
