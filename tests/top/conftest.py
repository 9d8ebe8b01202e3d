"""The tiny stacks that tests of operate start are watched here, too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "operate"))
