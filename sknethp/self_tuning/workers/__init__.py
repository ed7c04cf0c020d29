"""Worker processes that train some of the networks of a round."""
