"""What the pages of listening tests and the reader of answers agree on."""

FORMAT = "pwavenet listening test"
# Of the answers' format and of what a page asks; other versions are refused.
PAGE_VERSION = 1
# The low anchor of BS.1534, as it stands among the systems.
ANCHOR = "3.5 kHz anchor"
