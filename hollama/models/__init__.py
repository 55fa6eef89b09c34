"""Architectures: how a checkpoint's config and weight names become a graph. One file each."""
