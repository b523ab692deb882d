"""The task `logos`: impressions of brands, the account of them, and how it is shown."""
