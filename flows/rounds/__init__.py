"""What comes round by the clock: intake, statements, and what is delivered."""
