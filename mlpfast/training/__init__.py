"""What `Trainer` is made of: checked data, the loop of `fit`, and what is said of an epoch."""
