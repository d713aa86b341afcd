"""Published gradient inversion attacks, and what a coordinator holds for them to work on."""
