"""Import: studies become records, once each, under random pseudonyms."""
