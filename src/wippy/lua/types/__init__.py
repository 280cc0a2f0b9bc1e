"""Types of the guest language as data: what the kernel builds type values from."""
