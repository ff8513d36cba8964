"""What is found by fits: limits, strengths, significances, impacts and yields."""
