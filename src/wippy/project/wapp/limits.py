"""What a pack may ask of its reader. A pack comes from anywhere: everything it declares is held against these."""

from __future__ import annotations

MIB = 1024 * 1024

DATA_SECTION = 1024 * MIB
"""Bytes between header and table of contents; the format's own limit (spec 01 §17)."""

TABLE = 16 * MIB
"""The table of contents, plain: about 100 bytes a frame, so more frames than any data section needs."""

METADATA = 16 * MIB
"""The metadata, plain: a manifest and a readme."""

ENTRIES = 128 * MIB
"""All entries, plain. An application of 20,000 entries with their sources takes about 40 MiB."""

INDEX = 64 * MIB
"""The lists of the resources' files, plain, all together: about 300 bytes a file."""

FILES = 200_000
"""Files, and directories, of all resources together; the largest of web applications ship about a tenth."""

RESOURCES = 10_000
FRAMES = 100_000
"""Data frames hold 10 MiB, so that a full pack has about a hundred; other writers may fill them less."""

VALUES = 4_000_000
"""Values in one frame. A value costs the reader up to 80 bytes, however few it takes in the file."""

DEPTH = 200
"""Maps and lists inside each other; far above what a definition file can hold, far below Python's own limit."""

FILE = 256 * MIB
"""One file of a resource, plain: it is handed out whole to a guest that reads it."""

UNPACKED = 4096 * MIB
"""All files of a pack together, plain: several files may share the same stored bytes."""

WINDOW = 64 * MIB
"""Memory zstd may use to look back; its highest ordinary level needs 8 MiB."""

PATH = 1024
"""Bytes of a path inside a resource; the smallest limit among common systems."""

NAME = 255
"""Bytes of one segment of it."""

SEGMENTS = 64
"""Segments of it."""
