"""The two ways in which a command fails."""


class UserError(Exception):
    """Something the user can put right: says what was wrong, where, and the command that fixes it. Exit code 2."""


class StageFailed(Exception):
    """A stage did its work and the answer is no: a check failed, a registry differs, a pair disagrees. Exit code 1."""
