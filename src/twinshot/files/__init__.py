"""From files to frames, and back: pixels, EXIF, colour profiles; whole files or none."""
