"""Packs: entries and files of a module or an application in one file, `*.wapp` (spec 01 §17).

`reader.read_pack(path)` gives a verified `Pack`, `writer.write_pack(path, metadata, entries, resources)` writes one.
"""

from wippy.project.wapp.pack import Pack
from wippy.project.wapp.tree import DiskTree, FileInfo, FileTree, MemoryTree, MergedTree, Resource

__all__ = ["DiskTree", "FileInfo", "FileTree", "MemoryTree", "MergedTree", "Pack", "Resource"]
