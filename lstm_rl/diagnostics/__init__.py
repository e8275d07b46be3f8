"""What people see of a learner: episodes, figures and TensorBoard."""
