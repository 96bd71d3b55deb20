"""What a workflow will do: the resolved config, its jobs, their keys and resources."""
