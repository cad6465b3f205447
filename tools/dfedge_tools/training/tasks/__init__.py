"""What can be trained: a file a kind of network, each with a `dfedge_tools.training.task.Task`."""
