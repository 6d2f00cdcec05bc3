"""Files and pickles, below the public ``save_util``."""
