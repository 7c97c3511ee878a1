"""Learn when to call the large language model: LONDI (arXiv 2402.12061)."""
