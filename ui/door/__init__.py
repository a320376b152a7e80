"""The door: who may knock, who is let in, and what every answer carries."""
