"""Models behind small interfaces: the vision-language encoder, the diffusion generator, the presets of both."""
