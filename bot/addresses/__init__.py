"""Models by their address on Civitai and Hugging Face: what the page says of them, and the file, fetched safely."""
