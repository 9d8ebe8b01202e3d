"""``python -m llmgen`` is the ``llmgen`` command."""

from llmgen.cli.boundary import main

if __name__ == "__main__":
    main()
