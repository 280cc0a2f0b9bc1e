"""Code that guests hand over at run time: the guest module `eval_runner` (spec 03 §13)."""
