"""Unsupervised learning of registration: loss, training, checkpoints, and the learned method."""
