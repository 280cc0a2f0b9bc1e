"""Building packs: from a project or a module on disk to metadata, entries and files (spec 01 §7, §17, §18).

`Packing` in `application` is what `wippy pack` writes, `module_contents` in `module` what is published; both give
`Contents`, which write themselves.
"""
