"""Functions, processes, hosts, supervision, the event bus: what runs guest code and watches over it."""
