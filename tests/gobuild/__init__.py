"""Programs that tests need and that come as Go modules: built once for each user and state of the sources."""

from tests.gobuild.command import print_built
from tests.gobuild.module_copy import ModuleCopy
from tests.gobuild.program import GoProgram, Report, to_stderr
from tests.gobuild.toolchain import BuildError

__all__ = ["BuildError", "GoProgram", "ModuleCopy", "Report", "print_built", "to_stderr"]
