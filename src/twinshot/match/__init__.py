"""How two frames go together: exposure, registration, and which of them is which."""
