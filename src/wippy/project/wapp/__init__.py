"""Packs: entries and files of a module or an application in one file, `*.wapp` (spec 01 §17).

`read_pack(path)` gives a verified `Pack`, `write_pack(path, metadata, entries, resources)` writes one.
"""

from wippy.project.wapp.pack import Pack
from wippy.project.wapp.reader import read_pack
from wippy.project.wapp.tree import DiskTree, FileInfo, FileTree, MemoryTree, MergedTree, Resource
from wippy.project.wapp.writer import write_pack

__all__ = [
    "DiskTree",
    "FileInfo",
    "FileTree",
    "MemoryTree",
    "MergedTree",
    "Pack",
    "Resource",
    "read_pack",
    "write_pack",
]
