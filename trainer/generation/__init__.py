"""Generation: conditioning, the denoising loop, and the settings that travel with a picture."""
