"""One protocol for all learned methods: how each one's weights are chosen, and carrying it out."""
