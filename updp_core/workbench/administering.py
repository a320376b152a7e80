"""Policy, users and sign-in."""
