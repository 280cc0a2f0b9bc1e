"""Kinds that own a resource, and the guest modules that use them: a folder each, found through `catalog`."""
