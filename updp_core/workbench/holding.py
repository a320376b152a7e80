"""What people keep on their desks: records they hold, drafts, saved views."""
