"""A camera in arithmetic: thin lens, aperture, surfaces out of focus, sensor."""
