"""A headless Chromium with the page in it, and waiting for what it shows. Nothing here sleeps for a fixed time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

T = TypeVar("T")
SCRIPTS = Path(__file__).parent / "scripts"
REFUSED = re.compile(r"/api/v1/\S+ - Failed to load resource: .* status of (400|409) ")
WITHIN_S = 20.0
LOOK_EVERY_S = 0.05
DESK = (1440, 900)
PHONE = (360, 740)
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


def script(name: str) -> str:
    """One of the scripts of this folder, for `run` or `run_async`."""
    return (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


class Browser:
    """`downloads` is where exports arrive."""

    def __init__(self, chromium: str, chromedriver: str, folder: Path) -> None:
        options = ChromeOptions()
        options.binary_location = chromium
        for switch in (*SWITCHES, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(switch)
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        options.add_experimental_option("prefs", {"download.default_directory": str(self.downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options=options, service=Service(chromedriver))
        self.driver.set_script_timeout(60)

    def open(
        self, url: str, *, size: tuple[int, int] = DESK, scheme: str = "dark", fresh: bool = True, shows: str = "online"
    ) -> None:
        """Show a page as a first visit (`fresh`), in a window of this size, on a system that prefers this colour scheme.

        `shows` is what its connection says then.
        """
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        if fresh:
            origin = "/".join(url.split("/")[:3])
            cleared = {"origin": origin, "storageTypes": "local_storage"}
            self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", cleared)
        self.driver.get("about:blank")
        self.complaints()  # what the page before had to say is not this one's fault
        self.driver.get(url)
        self.until(lambda: shows in self.text("#connection"), f"the page shows the station: {shows}")

    def close(self) -> None:
        self.driver.quit()

    # --- looking ------------------------------------------------------------------------------------------------------

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str, *arguments: object) -> Any:
        """A script that may await; its value comes back."""
        whole = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...args) => {{ {script} }})(...[...arguments].slice(0, -1))"
            ".then((value) => done({value}), (error) => done({error: String(error.stack ?? error)}));"
        )
        answer = self.driver.execute_async_script(whole, *arguments)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def count(self, css: str) -> int:
        return len(self.all(css))

    def find(self, css: str, text: str = "") -> WebElement:
        """The first visible element like this whose text contains `text`; waits for it."""

        def look() -> WebElement | None:
            return next((each for each in self.all(css) if each.is_displayed() and text in each.text), None)

        return self.until(look, f"{css} with {text!r}")

    def text(self, css: str) -> str:
        """The text of the first element like this, as far as it is seen; empty without one."""
        found = self.all(css)
        return found[0].text if found else ""

    def until(self, check: Callable[[], T | None], what: str, within: float = WITHIN_S) -> T:
        wait: WebDriverWait[Chrome] = WebDriverWait(
            self.driver, within, LOOK_EVERY_S, ignored_exceptions=(StaleElementReferenceException,)
        )
        return wait.until(lambda _driver: check(), what)

    def complaints(self) -> list[str]:
        """What the browser found wrong since this was last asked (scripts, content security policy). A refused command is no fault."""
        rows = [row["message"] for row in self.driver.get_log("browser") if row["level"] in {"SEVERE", "WARNING"}]
        return [message for message in rows if not REFUSED.search(message)]

    # --- doing --------------------------------------------------------------------------------------------------------

    def click(self, css: str, text: str = "") -> None:
        self.find(css, text).click()

    def type(self, css: str, text: str) -> None:
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def keys(self, *keys: str) -> None:
        """Keys to the page itself, not to a field."""
        self.run("document.activeElement?.blur()")
        self.driver.find_element(By.TAG_NAME, "body").send_keys(*keys)

    def view(self, name: str) -> None:
        self.click(f"nav [aria-controls=view-{name}]")
        self.find(f"#view-{name}")
