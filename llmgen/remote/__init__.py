"""The same llmgen on another host, over the user's own OpenSSH; nothing of it stays there.

One `ssh` for each call. The remote shell sees one constant line, whatever is asked; program, words
and files follow on standard input, so that there is nothing to quote for a shell, and no second
connection (of `sftp`) that another machine behind the same name could answer.
"""
