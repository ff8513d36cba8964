"""From source, template and target to a report."""
