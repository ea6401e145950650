"""What several test files share: servers, tiny models, sample data."""
