"""Says in plain words what the build of the C kernels needs; everything else is in pyproject.toml."""

import os
import shutil
import sys
import sysconfig

from setuptools import setup
from setuptools.command.build_ext import build_ext

if sys.platform == "win32":
    raise SystemExit(
        "\nerror: mvc runs on Linux and macOS\n"
        "cause: it counts on atomic renames over open files, flock and file descriptors of POSIX\n"
        "help: install it in the Windows Subsystem for Linux: wsl --install, then pip install there; "
        "docs/install.md says what of it could run on Windows\n"
    )


class BuildKernels(build_ext):
    """Stops before the first file with one clear message, where a compiler's absence shows as a traceback."""

    def build_extensions(self) -> None:
        command = getattr(
            self.compiler, "compiler_so", None
        )  # absent on MSVC, which setuptools finds itself
        if command and shutil.which(command[0]) is None:
            raise SystemExit(
                f"\nerror: mvc needs a C compiler, and {command[0]!r} was not found\n"
                "help: install one (Debian, Ubuntu: apt install gcc; Fedora: dnf install gcc; "
                "macOS: xcode-select --install), or name yours: CC=clang pip install .\n"
            )
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        if command and not os.path.exists(header):
            raise SystemExit(
                f"\nerror: mvc needs Python's C headers, and {header} was not found\n"
                "help: install them (Debian, Ubuntu: apt install python3-dev; "
                "Fedora: dnf install python3-devel)\n"
            )
        super().build_extensions()


setup(cmdclass={"build_ext": BuildKernels})
