"""The one exception that a user's mistake raises."""


class UserError(ValueError):
    """Something that the user can fix: bad input, not a fault of the code.

    The message is one line that says what is wrong, where (the file or the
    setting), and how to fix it. The command line prints it without a
    traceback and exits with status 2.
    """
