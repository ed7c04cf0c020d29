"""What is inside a DeepNetClassifier: its checks, its request for a fit, its skorch net."""
