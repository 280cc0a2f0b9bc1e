"""Streams: bytes that guests read and write piece by piece (spec 03 §12). Files, pipes and HTTP bodies are streams."""
