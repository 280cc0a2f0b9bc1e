"""What code means, for who reads and writes it: names, members, calls, across entries. No I/O (spec 01 §21)."""
