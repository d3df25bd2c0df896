"""What passes between rooms: pictures, pairs of them and their checks, encoded and linear values, windows."""
