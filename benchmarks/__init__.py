"""What is measured rather than tested: each module prints figures beside their targets."""
