"""What the runtime costs, as ratios measured in one run. `make bench` writes latest.json."""
