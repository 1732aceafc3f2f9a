"""What a configuration that can be meant is nevertheless likely to regret: each decision pure, and a row of a table."""
