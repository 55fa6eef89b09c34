"""What samplers are made of: options as numbers, and probabilities with the same bits on every machine."""
