"""What texts hold beside their meaning: copies of each other, paid posts, personal data."""
