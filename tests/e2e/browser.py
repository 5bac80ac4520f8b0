"""A headless Chromium that is watched: what its console says, and what the page's policy refused."""

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

WAIT = 60
SWITCHES = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            "--disable-default-apps", "--disable-extensions"]
REPORTS = """
window.reports = [];
document.addEventListener("securitypolicyviolation", (e) => window.reports.push(`${e.violatedDirective} ${e.blockedURI}`));
window.addEventListener("error", (e) => window.reports.push(`error ${e.message}`));
window.addEventListener("unhandledrejection", (e) => window.reports.push(`rejected ${e.reason}`));
window.alert = (text) => window.reports.push(`alert ${text}`);
"""


class Browser:
    """One window. `language` is what navigator.language says."""

    def __init__(self, width=1280, height=1000, language="en-US", dark=False):
        options = Options()
        for switch in SWITCHES + [f"--lang={language}", f"--window-size={width},{height}"]:
            options.add_argument(switch)
        options.binary_location = "/usr/bin/chromium"
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=REPORTS)
        self.resize(width, height)
        self.dark(dark)

    def cdp(self, command, **arguments):
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def resize(self, width, height):
        """The size of the page, whatever a window may have."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=width < 500)

    def dark(self, on):
        """What the system asks for."""
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def open(self, port, user=""):
        """Loads the page and waits for its first figures."""
        self.driver.get(f"http://{user}127.0.0.1:{port}/")
        self.wait(lambda: self.attribute("#state", "data-state") == "good", "serving")
        self.wait(lambda: self.attribute("#feed-state", "data-state") == "good", "a feed")

    def run(self, script, *arguments):
        """What a piece of JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        """The text of an element, "" when there is none."""
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def texts(self, selector):
        """The texts of all elements."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def attribute(self, selector, name):
        """An attribute of an element."""
        return self.run("return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name)

    def wait(self, predicate, what):
        """Waits until something is true."""
        WebDriverWait(self.driver, WAIT, 0.1).until(lambda _: predicate(), f"no sign of: {what}")

    def find(self, selector):
        """An element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        """Clicks, by script: what is pointed at stands still."""
        self.run("document.querySelector(arguments[0]).click()", selector)

    def keys(self, *keys):
        """Presses keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def focused(self):
        """What has the focus: its id, or its class."""
        return self.run("const e = document.activeElement; return e.id || e.className || e.tagName")

    def reports(self):
        """What the policy refused, and what went wrong."""
        return self.run("return window.reports")

    def console(self):
        """What the console says since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def close(self):
        """Ends the browser."""
        self.driver.quit()


__all__ = ["Browser", "Keys"]
