"""What keeps a place decent: words that are refused, a guild's own words, and what pictures are looked at for."""
