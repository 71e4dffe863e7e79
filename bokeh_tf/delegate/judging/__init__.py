"""From findings to an exit status: problems in one form, the policy, and the baseline."""
