"""Modules of the page as one script."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mvc.web.assets import page_files
from mvc.web.bundle import bundle

TOY = {
    "a.js": """import { b, c as d } from '/static/b.js';
import {
  named } from '/static/c.js';
export const a = () => [b(), d, named];
export default function A() { return import('/static/late.js').then((found) => found.default()); }
console.log(JSON.stringify(a()));
A().then((found) => console.log(found));
""",
    "b.js": """import { named } from '/static/c.js';
export async function late() {}
export class C {}
export function b() { return named + 1; }
const c = 'import { nothing }';
export { c, b as again };
""",
    "c.js": "const n=1;function f(){};export{n as named,f as other};\n",
    "late.js": "export default function Late() { return 'late'; }\n",
    "other.js": "export const named = 41;\n",
}


@pytest.mark.parametrize(("instead", "first"), [({}, 2), ({"c.js": "other.js"}, 42)])
def test_modules_run_once_and_those_that_are_needed_before(
    instead: dict[str, str], first: int
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    done = subprocess.run(
        [node, "-"], input=bundle(TOY, "a.js", instead), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f'[{first},"import {{ nothing }}",{first - 1}]', "late"]


@pytest.mark.parametrize(
    "line",
    [
        "import * as all from '/static/b.js';", "import A from '/static/b.js';", "export let x = 1;",
        "export * from '/static/b.js';", "import '/static/b.js';", "import { b } from './b.js';",
        "const x = import(where);", "export default class {}",
    ],
)  # fmt: skip
def test_another_form_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="another form"):
        bundle({**TOY, "x.js": f"const y = 1;\n{line}\n"}, "x.js")


def test_what_is_not_there_and_circles_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no module none"):
        bundle({"x.js": "import { a } from '/static/none.js';\n"}, "x.js")
    ring = {
        "x.js": "import { y } from '/static/y.js';\nexport const x = 1;\n",
        "y.js": "import { x } from '/static/x.js';\nexport const y = 1;\n",
    }
    with pytest.raises(ValueError, match=r"x.js -> y.js -> x.js"):
        bundle(ring, "x.js")


def test_the_page_has_the_narrow_form() -> None:
    scripts = {p: a.content.decode() for p, a in page_files().items() if p.endswith(".js")}
    made = bundle(scripts, "app.js", {"source.js": "report/source.js"})
    assert "mvcReport" in made and "EventSource" in made
    assert made.count("const m0 = ") == 1
    if (node := shutil.which("node")) is not None:
        subprocess.run([node, "--check", "-"], input=made, text=True, check=True)
