"""The report of a run: one page, made of the plain files in its folder."""
