"""A team's page in a browser: login, repositories, actions by role, accounts, accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.teampage import TeamPage
from tests.web.test_browser import accessible, wait

if TYPE_CHECKING:
    from tests.support.browser import Browser

pytestmark = pytest.mark.page


def enter(browser: Browser, page: TeamPage, user: str, path: str = "/") -> None:
    browser.cdp("Network.clearBrowserCookies")
    browser.width(1280)
    browser.dark(False)
    browser.driver.get(page.origin + path)
    browser.one("#token").send_keys(page.tokens[user])
    browser.button("Sign in").click()
    wait(lambda: not browser.all("#token"))
    browser.settle()


@pytest.fixture
def mine(own_team: TeamPage, browser: Browser) -> Iterator[TeamPage]:
    yield own_team
    browser.driver.get("about:blank")


def test_the_login_lets_in_by_a_token_and_out_again(team: TeamPage, browser: Browser) -> None:
    browser.cdp("Network.clearBrowserCookies")
    browser.driver.get(f"{team.origin}/team/iris/-/v/v5")
    browser.one("#token").send_keys("mvct_wrong")
    browser.button("Sign in").click()
    assert "Not let in" in wait(lambda: browser.one("[role=alert]").text)
    enter(browser, team, "reader", "/team/iris/-/v/v5")
    assert browser.path() == "/team/iris/-/v/v5" and "v5" in browser.one("h1").text
    kept = str(browser.script("return document.cookie + JSON.stringify({...localStorage})"))
    assert "mvct_" not in kept and "mvcs_" not in kept
    browser.button("Sign out").click()
    wait(lambda: browser.all("#token"))
    browser.driver.get(f"{team.origin}/team/iris/-/")
    wait(lambda: browser.all("#token"))


def test_repositories_and_every_screen_below_their_names(team: TeamPage, browser: Browser) -> None:
    enter(browser, team, "reader")
    names = browser.texts(".repo .name b")
    assert names == ["iris", "open"] and "xrepo" not in browser.text()
    assert "production v5" in browser.text()
    browser.one(".repo .name a").click()
    wait(lambda: browser.path() == "/team/iris/-/" and "Live" in browser.one(".pill").text)
    browser.settle()
    browser.one(".rows tbody a").click()
    wait(lambda: browser.path().startswith("/team/iris/-/v/"))
    browser.settle()
    buttons = browser.texts(".head button")
    assert not {"Tag", "Describe", "Promote"} & set(buttons)
    links = browser.all("nav a")
    assert [link.text for link in links] == [
        "Versions", "Models", "Plots", "Stages", "Storage", "Operations", "Search",
    ]  # fmt: skip
    for at in range(len(links)):
        browser.all("nav a")[at].click()
        browser.settle()
        assert browser.path().startswith("/team/iris/-/")
    assert not browser.all("tbody button")  # no undo either
    browser.go(f"{team.origin}/team/iris/-/diff/v1..v5")
    browser.button("Measure every tensor").click()
    wait(lambda: len(browser.all(".strip [role=option]")) == 4)
    browser.go(f"{team.origin}/team/iris/-/v/v3")
    assert "<script>document.title='taken'</script>" in browser.one("h1").text
    assert not [fault for fault in browser.faults() if "401" not in fault]


def test_search_in_all_repositories_leads_into_each(team: TeamPage, browser: Browser) -> None:
    enter(browser, team, "root")
    browser.script(
        "[...document.querySelectorAll('nav a')].find((a) => a.innerText === 'Search').click()"
    )
    wait(lambda: browser.path() == "/search")
    browser.one("input[type=search]").send_keys("layers.1")
    links = wait(lambda: (found := browser.all(".hits li > a")) and len(found) == 2 and found)
    assert [str(link.get_attribute("href")).partition("/v/")[0] for link in links] == [
        f"{team.origin}/{name}/-" for name in ("team/iris", "xrepo/plans")
    ]
    wait(lambda: "3 repositories looked through" in browser.one("[role=status]").text)
    assert "xrepo/plans" in browser.one(".hits").text and "q=layers.1" in browser.path()
    links[1].click()
    wait(lambda: browser.path().startswith("/xrepo/plans/-/v/"))
    browser.go(f"{team.origin}/team/iris/-/search?q=layers.1")
    assert len(wait(lambda: browser.all(".hits li > a"))) == 1
    browser.one(".head .aside a").click()
    wait(lambda: browser.path() == "/search?q=layers.1" and len(browser.all(".hits li > a")) == 2)
    enter(browser, team, "reader", "/search?q=layers.1")
    assert len(wait(lambda: browser.all(".hits li > a"))) == 1
    assert "xrepo" not in browser.text()


def test_a_long_list_comes_as_it_is_scrolled_and_names_are_found_in_all_of_it(
    mine: TeamPage, browser: Browser
) -> None:
    for number in range(60):
        made = mine.post("root", "/api/v1/admin/repository", name=f"many/r{number:02}")
        assert made.status == 200

    def names() -> list[str]:
        """As they are now: rows come and go meanwhile."""
        find = "return [...document.querySelectorAll('.repo .name b')].map((b) => b.innerText)"
        found: list[str] = browser.script(find)
        return found

    enter(browser, mine, "root")
    assert 0 < len(names()) <= 63
    scroll = "document.querySelector('main').scrollTo(0, 1e6)"
    wait(lambda: browser.script(scroll) or len(names()) == 63)
    assert len(set(names())) == 63 and "More repositories" not in browser.text()
    browser.driver.refresh()
    browser.settle()
    browser.one("input[type=search]").send_keys("r59")
    wait(lambda: names() == ["r59"])
    browser.one("input[type=search]").send_keys("9")
    wait(lambda: "No name has" in browser.text() and not names())
    assert not [fault for fault in browser.faults() if "401" not in fault]


def test_an_action_shows_what_it_moves_before_it_is_done(mine: TeamPage, browser: Browser) -> None:
    enter(browser, mine, "writer", "/team/iris/-/v/v6")
    browser.button("Tag").click()
    browser.one("dialog input").send_keys("good")
    browser.button("Show what changes", "dialog").click()
    assert "tags/good" in wait(lambda: browser.one(".gate").text)
    assert mine.get("writer", "/team/iris/-/api/v1/r/v/good").status == 404
    browser.button("Make the tag", "dialog").click()
    wait(lambda: "tag: good" in [ref.get_attribute("title") for ref in browser.all(".head .ref")])
    browser.go(f"{mine.origin}/team/iris/-/ops")
    browser.script("document.querySelector('tbody button').click()")
    browser.button("Show what changes", "dialog").click()
    assert "role maintain" in wait(lambda: browser.one("dialog .failed").text)


def test_a_page_whose_token_is_revoked_asks_for_another(mine: TeamPage, browser: Browser) -> None:
    enter(browser, mine, "reader", "/team/iris/-/")
    wait(lambda: "Live" in browser.one(".pill").text)
    tokens = mine.get("root", "/api/v1/admin/accounts").json["tokens"]
    id = next(one["id"] for one in tokens if one["user"] == "reader")
    mine.post("root", "/api/v1/admin/token-revoke", id=id)
    wait(lambda: browser.all("#token"))


def test_accounts_are_made_changed_and_told(mine: TeamPage, browser: Browser) -> None:
    enter(browser, mine, "root", "/admin")
    browser.button("Add a user").click()
    browser.one("dialog input[name=name]").send_keys("dora")
    browser.button("Add a user", "dialog").click()
    wait(lambda: "dora" in browser.text() and not browser.all("dialog"))
    browser.one("[data-tab=tokens]").click()
    browser.button("Make a token").click()
    browser.script("document.querySelector('dialog [name=user]').value = 'dora'")
    browser.button("Make a token", "dialog").click()
    secret = wait(lambda: browser.one("#secret").text)
    mine.tokens["dora"] = secret
    assert mine.get("dora", "/api/v1/me").json["user"] == "dora"
    browser.script("document.querySelector('dialog').close()")
    wait(lambda: not browser.all("dialog"))
    assert secret not in str(browser.script("return document.documentElement.outerHTML"))
    browser.one("[data-tab=audit]").click()
    assert "token.add" in wait(lambda: browser.one("tbody").text)
    assert "whole" in browser.one(".panel .good").text


SCREENS = [
    "/login", "/", "/search?q=run", "/admin", "/admin@tokens", "/admin@grants", "/admin@rules", "/admin@audit",
    "/team/iris/-/", "/team/iris/-/v/v5", "/team/iris/-/stages", "/team/iris/-/ops",
]  # fmt: skip


@pytest.mark.parametrize("path", SCREENS)
def test_each_screen_is_accessible_in_both_themes_and_widths(
    team: TeamPage, browser: Browser, axe: str, path: str
) -> None:
    address, _, tab = path.partition("@")
    if path == "/login":
        browser.cdp("Network.clearBrowserCookies")
    else:
        enter(browser, team, "root")
    for dark in (False, True):
        browser.dark(dark)
        for width in (1280, 360, 3840):
            browser.width(width)
            browser.go(team.origin + address)
            if tab:
                browser.one(f"[data-tab={tab}]").click()
                browser.settle()
            assert accessible(browser, axe) == [], (dark, width)
            assert browser.script("return document.documentElement.scrollWidth <= innerWidth")
    browser.dark(False)
    browser.width(1280)
