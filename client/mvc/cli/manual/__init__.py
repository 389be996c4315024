"""The manual: made from the commands themselves, so that it says what they do.

page          the parts of a page, as values
pages         reads a command of click into a page
surroundings  environment variables and files: what no single command tells
screen        a page as text for a terminal (`mvc help VERB`)
markdown      a page as Markdown (docs/reference/)
roff          a page in the language of man(1) (docs/man/, installed as share/man/man1)

docs/make.py writes the last two into the tree, and the tests compare what is there with what it would write.
"""
