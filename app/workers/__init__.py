"""What runs without a caller: jobs and rounds. All thought is in the gateway's use cases."""
