"""Rules of git's ignore files, where `mvc.toml` asks for them; against git itself."""

from __future__ import annotations

import subprocess

from tests.support.workspace import Bench


def test_rules_of_git_count_where_mvc_toml_says_so(bench: Bench) -> None:
    """As `git check-ignore` has it; `.mvcignore` beside it comes first."""
    subprocess.run(["git", "init", "-q", bench.root], check=True)
    bench.write(
        {
            ".gitignore": "*.log\n/build/\n!keep.log\n",
            "sub/.gitignore": "data\n",
            ".mvcignore": "!build/\n",
            "a.log": "", "keep.log": "", "build/x": "", "sub/data": "", "sub/a.log": "", "c.txt": "",
        }
    )  # fmt: skip
    bench.add()
    all_of_it = {change.path for change in bench.repo.status().added}
    assert {"a.log", "sub/data", "build/x"} <= all_of_it
    bench.write({"mvc.toml": "[ignore]\ngitignore = true\n"})
    left = all_of_it - {change.path for change in bench.repo.status().added}
    said = subprocess.run(
        ["git", "check-ignore", "--stdin"], input="\n".join(sorted(all_of_it)), text=True,
        cwd=bench.root, capture_output=True, check=True,
    )  # fmt: skip
    assert left == set(said.stdout.split()) - {"build/x"}
    bench.commit()
    bench.write({"mvc.toml": ""})
    assert {change.path for change in bench.repo.status().added} == left
