"""What bot and worker both need besides the contract: settings, logging, faults at start. Knows neither of them."""
