"""The language server: what editors ask about the code of an application (spec 01 §21, 02 §9)."""
