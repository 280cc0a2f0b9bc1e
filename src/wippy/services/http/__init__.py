"""HTTP serving: servers, routers, endpoints, and the guest module `http` (spec 05 §1-4)."""
