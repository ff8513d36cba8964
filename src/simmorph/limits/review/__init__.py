"""What a reviewer asks beside a limit: correlations, breakdowns, profiles, injected signals, other intervals."""
