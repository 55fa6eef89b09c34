"""Crawl: a small Qwen2 model of web text on which quantisers are measured, and the recipe that trains it."""
