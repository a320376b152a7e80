"""Methods: ways of making a de-identified image of a record, behind one seam (see `base`)."""
