"""The numerical core: populations of networks, which know nothing of estimators."""
